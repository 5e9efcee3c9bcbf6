from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store.sql.made import NOON_S, STEPS, made_trace

from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.budgets import Ledger, Reservation, Spent
from routenlp.store.sql.database import open_reader, open_store
from routenlp.store.sql.journal import ChargeJournal
from routenlp.store.sql.money import day_of
from routenlp.store.sql.reader import KeySpend, Said, TaskState, TierShare, read_standing, read_trace
from routenlp.store.sql.records import Content, FeedbackRecord, Record
from routenlp.store.sql.writer import RecordWriter

TODAY = day_of(NOON_S)


def stored(folder: Path, *records: Record) -> sqlite3.Connection:
    path = folder / "s.db"
    writer = RecordWriter(open_store(path), content=ContentPolicy("all"), clock=lambda: NOON_S)
    for record in records:
        assert writer.put(record)
    assert writer.close(10)
    return open_reader(path)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    trace = made_trace(
        completion_id="chatcmpl-1",
        key_id="key_a",
        reason="the top tier",
        estimates={"small": 0.5, "large": 0.9},
        propensities={"small": 0.75, "large": 0.25},
        top_cost_usd=1e-3,
        overhead_s=4e-4,
        audited=True,
        audit_propensity=0.02,
        content=Content([{"role": "user", "content": "hello"}], {"large": "hi"}),
    )
    late = FeedbackRecord("chatcmpl-1", NOON_S + 9, "label", "refund", "key_a")
    connection = stored(tmp_path, trace, FeedbackRecord("a" * 32, NOON_S + 5, "score", 0.5), late)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", ["a" * 32, "chatcmpl-1"])
def test_a_trace_comes_back_whole(full: sqlite3.Connection, name: str) -> None:
    trace = read_trace(full, name)
    assert trace is not None
    assert (trace.id, trace.cost_usd, trace.top_cost_usd, trace.overhead_s) == ("a" * 32, 1.01e-3, 1e-3, 4e-4)
    assert (trace.audited, trace.audit_propensity) == (True, 0.02)
    assert trace.detail["propensities"] == {"small": 0.75, "large": 0.25}
    assert [(s["tier"], s["score"], s["threshold"], s["accepted"]) for s in trace.detail["steps"]] == [
        (step.tier, step.score, step.threshold, step.accepted) for step in STEPS
    ]
    assert trace.content == {"request": [{"role": "user", "content": "hello"}], "answers": {"large": "hi"}}
    assert trace.feedback == (
        Said(NOON_S + 5, "score", 0.5, None),
        Said(NOON_S + 9, "label", "refund", "key_a"),
    )


def test_of_completions_with_one_id_the_latest_is_shown(tmp_path: Path) -> None:
    made = [made_trace(name * 32, completion_id="same", at_s=NOON_S + at) for at, name in enumerate("132")]
    connection = stored(tmp_path, *made)
    trace = read_trace(connection, "same")
    assert trace is not None
    assert trace.id == "2" * 32
    connection.close()


def test_a_trace_is_found_by_an_index(full: sqlite3.Connection) -> None:
    plan = " ".join(row[3] for row in full.execute(f"EXPLAIN QUERY PLAN {statements.TRACE}", ("x", "x")))
    assert "SCAN" not in plan


def test_what_is_unknown_stays_unknown(tmp_path: Path) -> None:
    connection = stored(tmp_path, made_trace(tier=None, steps=(), outcome="upstream_error"))
    trace = read_trace(connection, "a" * 32)
    assert trace is not None
    assert (trace.tier, trace.top_cost_usd, trace.overhead_s, trace.audit_propensity) == (None, None, None, None)
    assert (trace.content, trace.feedback, trace.key_id) == (None, (), None)
    connection.close()


def test_an_unknown_trace_is_none(full: sqlite3.Connection) -> None:
    assert read_trace(full, "b" * 32) is None


def test_figures_add_up(tmp_path: Path) -> None:
    connection = stored(
        tmp_path,
        made_trace("1" * 32, top_cost_usd=2e-3),
        made_trace("2" * 32, top_cost_usd=None),
        made_trace("3" * 32, tier="small", steps=STEPS[:1], cost_usd=1e-5, top_cost_usd=1e-3, audited=True),
        made_trace("4" * 32, tier=None, outcome="upstream_error", steps=(), cost_usd=0.0),
        made_trace("5" * 32, at_s=NOON_S - 10, status="OLD"),
    )
    standing = read_standing(connection, NOON_S, TODAY)
    assert standing.shares == (
        TierShare("intent", None, 1, 0, 0, 0.0, None, None, 0),
        TierShare("intent", "large", 2, 2, 2, 2.02e-3, 1.01e-3, 2e-3, 0),
        TierShare("intent", "small", 1, 1, 0, 1e-5, 1e-5, 1e-3, 1),
    )
    assert standing.tasks == (TaskState("intent", "CERTIFIED", "p" * 64, NOON_S),)
    assert (standing.dropped, standing.dropped_audits, standing.spend) == (0, 0, ())
    connection.close()


def test_spend_is_by_key_and_counts_whole_days(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    book = Ledger(ChargeJournal(path), Spent({}, 0), key_budget=lambda _: None, task_budgets={})
    writer = RecordWriter(open_store(path), ledger=book, clock=lambda: NOON_S)
    for key, day, usd in (("key_a", 0, 0.5), ("key_a", -1, 9.0), (None, 0, 0.25), ("key_a", 0, 0.5)):
        held = book.reserve(key, "intent", usd, NOON_S + day * 86_400)
        assert isinstance(held, Reservation)
        book.settle(held, usd)
    assert writer.close(10)
    book.close()
    connection = open_reader(path)
    assert read_standing(connection, NOON_S, TODAY).spend == (KeySpend(None, 1, 0.25), KeySpend("key_a", 2, 1.0))
    connection.close()
