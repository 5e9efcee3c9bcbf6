from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.store.sql.made import NOON_S, made_trace

from routenlp.store.content import DAY_S, ContentPolicy
from routenlp.store.sql import writer as module
from routenlp.store.sql.database import open_store
from routenlp.store.sql.records import Content, FeedbackRecord
from routenlp.store.sql.writer import RecordWriter

Open = Callable[..., RecordWriter]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    open_store(path).close()
    return path


@pytest.fixture
def opened(store: Path) -> Open:
    def build(**options: Any) -> RecordWriter:
        return RecordWriter(open_store(store), **{"clock": lambda: NOON_S} | options)

    return build


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(store)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def until(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def test_what_is_put_is_stored_without_closing(store: Path, opened: Open) -> None:
    writer = opened()
    assert writer.put(made_trace())
    assert until(lambda: rows(store, "SELECT id, task, tier FROM traces") == [("a" * 32, "intent", "large")])
    assert writer.close(10)


def test_closing_commits_what_waits(store: Path, opened: Open) -> None:
    writer = opened()
    assert all(writer.put(made_trace(f"{i:032x}")) for i in range(1_000))
    assert writer.close(10)
    assert rows(store, "SELECT count(*) FROM traces") == [(1_000,)]
    assert (writer.dropped, writer.depth) == (0, 0)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 63, 64, 65, 137])
def test_every_number_of_rows_is_stored_whole(store: Path, opened: Open, count: int) -> None:
    writer = opened()
    for i in range(count):
        writer.put(made_trace(f"{i:032x}"))
    assert writer.close(10)
    assert [row[0] for row in rows(store, "SELECT id FROM traces ORDER BY id")] == [f"{i:032x}" for i in range(count)]


def test_nothing_can_be_put_after_closing(opened: Open) -> None:
    writer = opened()
    writer.close(10)
    assert not writer.put(made_trace())
    assert writer.dropped == 1


def test_a_full_queue_drops_at_once_counts_audits_apart_and_puts_it_on_record(store: Path, opened: Open) -> None:
    blocker = sqlite3.connect(store, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    writer = opened(capacity=5)
    # The first batch waits for the lock in the thread; then the queue holds five.
    writer.put(made_trace("f" * 32))
    assert until(lambda: len(writer._queue) == 0)
    began_s = time.monotonic()
    taken = [writer.put(made_trace(f"{i:032x}", audited=i % 2 == 0)) for i in range(20)]
    assert time.monotonic() - began_s < 1.0
    assert (sum(taken), writer.dropped, writer.dropped_audits) == (5, 15, 7)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert writer.close(20)
    assert rows(store, "SELECT sum(records), sum(audits) FROM dropped") == [(15, 7)]
    assert rows(store, "SELECT count(*) FROM traces") == [(6,)]


def test_a_store_that_fails_keeps_what_waits_until_it_works_again(
    store: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routenlp.store.sql.database.BUSY_TIMEOUT_S", 0.01)
    blocker = sqlite3.connect(store, isolation_level=None)
    writer = opened()
    blocker.execute("BEGIN IMMEDIATE")
    writer.put(made_trace())
    assert until(lambda: writer.failure is not None)
    assert writer.depth == 1
    blocker.execute("ROLLBACK")
    blocker.close()
    assert until(lambda: writer.failure is None)
    assert writer.close(10)
    assert rows(store, "SELECT count(*) FROM traces") == [(1,)]


def test_a_full_disk_stops_the_record_and_no_request(store: Path) -> None:
    connection = open_store(store)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    writer = RecordWriter(connection, capacity=10, clock=lambda: NOON_S)
    assert writer.put(made_trace("f" * 32, reason="x" * 100_000))
    assert until(lambda: writer.failure is not None)
    began_s = time.monotonic()
    assert sum(writer.put(made_trace(f"{i:032x}")) for i in range(100)) <= 10
    assert time.monotonic() - began_s < 1.0
    assert "full" in str(writer.failure)
    assert not writer.close(10)
    assert rows(store, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    "spoiled",
    [
        made_trace(cost_usd=float("nan")),
        made_trace(cost_usd=1e300),
        made_trace(features=np.zeros(3)),
        made_trace(task=None),
        made_trace(at_s=np.float32(3)),
        made_trace(estimates={"small": object()}),
    ],
)
def test_a_record_that_cannot_be_stored_keeps_none_of_its_neighbours_from_it(
    store: Path, opened: Open, spoiled: Any
) -> None:
    writer = opened()
    writer.put(made_trace("1" * 32))
    writer.put(spoiled)
    writer.put(made_trace("2" * 32))
    assert writer.close(10)
    assert [row[0][0] for row in rows(store, "SELECT id FROM traces ORDER BY id")] == ["1", "2"]
    assert writer.dropped == 1


@pytest.mark.parametrize("text", ["", "\0", "\ud800 alone", "日本", "'; DROP TABLE traces; --", "x" * 100_000])
def test_any_text_can_be_on_record(store: Path, opened: Open, text: str) -> None:
    writer = opened()
    writer.put(made_trace(task=text, reason=text, estimates={text: 0.5}))
    assert writer.close(10)
    assert rows(store, "SELECT task FROM traces") == [(text.encode("utf-8", "replace").decode(),)]
    assert writer.dropped == 0


def test_the_same_trace_twice_is_one(store: Path, opened: Open) -> None:
    writer = opened()
    writer.put(made_trace())
    writer.put(made_trace(task="other"))
    assert writer.close(10)
    assert rows(store, "SELECT task FROM traces") == [("intent",)]


def test_the_same_feedback_twice_is_one_and_another_verdict_is_kept_too(store: Path, opened: Open) -> None:
    said = FeedbackRecord("chatcmpl-1", NOON_S, "score", 1.0, "key_a")
    writer = opened()
    for record in (said, replace(said, at_s=NOON_S + 60), replace(said, value=0.0), replace(said, key_id="key_b")):
        writer.put(record)
    assert writer.close(10)
    found = rows(store, "SELECT value, key_id FROM feedback ORDER BY value, key_id")
    assert found == [("0.0", "key_a"), ("1.0", "key_a"), ("1.0", "key_b")]


def test_a_correction_is_redacted(store: Path, opened: Open) -> None:
    writer = opened()
    writer.put(FeedbackRecord("a" * 32, NOON_S, "correction", "write to ann@example.org"))
    assert writer.close(10)
    assert rows(store, "SELECT value FROM feedback") == [('"write to [email]"',)]


@pytest.mark.parametrize(
    ("store_what", "audited", "kept"),
    [("none", True, 0), ("audits", False, 0), ("audits", True, 1), ("all", False, 1), ("all", True, 1)],
)
def test_content_is_kept_where_the_policy_says_so(
    store: Path, opened: Open, store_what: Any, audited: bool, kept: int
) -> None:
    writer = opened(content=ContentPolicy(store_what))
    said = Content([{"role": "user", "content": "hello ann@example.org"}], {"small": "hi"})
    writer.put(made_trace(audited=audited, content=said))
    assert writer.close(10)
    bodies = rows(store, "SELECT body FROM content")
    assert len(bodies) == kept
    assert b"example.org" not in b"".join(path.read_bytes() for path in store.parent.iterdir())


def test_an_audit_waits_for_a_worker_with_its_wall_and_its_chance(store: Path, opened: Open) -> None:
    writer = opened(content=ContentPolicy("audits"))
    writer.put(made_trace("1" * 32, audited=True, content=Content({"messages": []})))
    writer.put(made_trace("2" * 32, audited=False, audit_propensity=0.02, content=Content({"messages": []})))
    assert writer.close(10)
    found = rows(store, "SELECT trace_id, task, propensity, tiers, state, reason FROM audits")
    assert found == [("1" * 32, "intent", 0.02, '["small","large"]', "pending", None)]


def test_an_audit_whose_content_is_left_out_is_missing_and_says_why(store: Path, opened: Open) -> None:
    writer = opened(content=ContentPolicy("audits"))
    writer.put(made_trace("1" * 32, audited=True, content=Content({}, size_bytes=module.CONTENT_BYTES + 1)))
    assert writer.close(10)
    assert rows(store, "SELECT state, reason FROM audits") == [("missing", "content_not_kept")]


def test_an_audit_without_its_chance_is_dropped_and_counted(store: Path, opened: Open) -> None:
    writer = opened(content=ContentPolicy("audits"))
    writer.put(made_trace("1" * 32, audited=True, audit_propensity=None))
    assert writer.close(10)
    assert (writer.dropped_audits, rows(store, "SELECT count(*) FROM traces")) == (1, [(0,)])


def test_content_says_whether_it_was_redacted(store: Path, opened: Open) -> None:
    writer = opened(content=ContentPolicy("all"))
    for name, text in (("1" * 32, "hello"), ("2" * 32, "hello ann@example.org")):
        writer.put(made_trace(name, content=Content({"messages": [{"role": "user", "content": text}]})))
    assert writer.close(10)
    bodies = [body for (body,) in rows(store, "SELECT body FROM content ORDER BY trace_id")]
    assert ["redacted" in body for body in bodies] == [False, True]


def test_content_that_is_too_old_is_swept_and_the_trace_stays(store: Path, opened: Open) -> None:
    now = [NOON_S - 20 * DAY_S]
    writer = opened(content=ContentPolicy("all", retain_days=30), clock=lambda: now[0])
    for name, age_days in (("1" * 32, 31), ("2" * 32, 29)):
        writer.put(made_trace(name, at_s=NOON_S - age_days * DAY_S, content=Content("hello")))
    assert until(lambda: rows(store, "SELECT count(*) FROM content") == [(2,)])
    now[0] = NOON_S
    assert until(lambda: rows(store, "SELECT trace_id FROM content") == [("2" * 32,)])
    writer.close(10)
    assert rows(store, "SELECT count(*) FROM traces") == [(2,)]


def test_content_beyond_the_memory_for_it_is_left_out_and_the_trace_stored(store: Path, opened: Open) -> None:
    writer = opened(content=ContentPolicy("all"))
    writer.put(made_trace("1" * 32, content=Content("small", size_bytes=10)))
    writer.put(made_trace("2" * 32, content=Content("huge", size_bytes=module.CONTENT_BYTES)))
    assert writer.close(10)
    assert rows(store, "SELECT count(*) FROM traces") == [(2,)]
    assert rows(store, "SELECT trace_id FROM content") == [("1" * 32,)]
    assert writer.left_out_content == 1


def test_threads_put_at_the_same_time(store: Path, opened: Open) -> None:
    writer = opened()

    def put_many(of: int) -> None:
        for i in range(200):
            writer.put(made_trace(f"{of:016x}{i:016x}"))

    threads = [threading.Thread(target=put_many, args=(of,)) for of in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(10)
    assert rows(store, "SELECT count(*) FROM traces") == [(800,)]
