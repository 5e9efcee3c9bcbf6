from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.unit.store.sql.made import made_trace
from typer.testing import CliRunner, Result

from routenlp.cli.app import app
from routenlp.errors import CorruptData, MissingData, SettingsError, StoreError
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import monitoring
from routenlp.store.sql.database import open_store
from routenlp.store.sql.keys import KeyRing
from routenlp.store.sql.money import Budget
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.writer import RecordWriter

NOW_S = 4e9
"""Later than any clock that runs this test, so that `status` counts it as recent."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "s.db"


def run(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", f"sqlite:///{store}"])


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def as_json(store: Path, *arguments: str) -> Any:
    target = store.with_name("out.json")
    said(run(store, *arguments, "--json", str(target)))
    return json.loads(target.read_text())


def fill(store: Path, *changes: dict[str, Any]) -> None:
    writer = RecordWriter(open_store(store), content=ContentPolicy())
    for number, change in enumerate(changes):
        writer.put(made_trace(f"{number:032x}", **{"at_s": NOW_S} | change))
    assert writer.close(10)


def stored(store: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(store)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_key_is_made_shown_once_listed_and_revoked(store: Path) -> None:
    limits = ["--rpm", "60", "--budget-usd", "2.5", "--period", "day", "--task", "intent"]
    made = as_json(store, "keys", "create", "ann", *limits)
    ring = KeyRing(store, 0.0)
    key = ring.verify(made["secret"], 0.0)
    ring.close()
    assert key is not None
    assert (key.name, key.requests_per_minute, key.budget, key.tasks) == ("ann", 60, Budget(2.5, "day"), {"intent"})
    listed = said(run(store, "keys", "list"))
    assert "60 requests a minute; $2.5 a day; tasks intent" in listed
    assert made["secret"] not in listed
    said(run(store, "keys", "revoke", key.id))
    ring = KeyRing(store, 0.0)
    assert ring.verify(made["secret"], 0.0) is None
    ring.close()


def test_people_see_the_secret_once(store: Path) -> None:
    assert "rnlp_" in said(run(store, "keys", "create", "ann"))
    assert "rnlp_" not in said(run(store, "keys", "list"))


def test_explain_tells_why(store: Path) -> None:
    fill(store, {"completion_id": "chatcmpl-7", "reason": "sure enough", "estimates": {"small": 0.5}})
    for name in ("0" * 32, "chatcmpl-7"):
        told = said(run(store, "explain", name))
        assert all(words in told for words in ("task intent: large answered", "sure enough", "escalated", "0.400"))


def test_explain_as_json_holds_what_people_see_and_more(store: Path) -> None:
    fill(store, {"top_cost_usd": 1e-3})
    trace = as_json(store, "explain", "0" * 32)
    assert (trace["tier"], trace["top_cost_usd"], len(trace["detail"]["steps"])) == ("large", 1e-3, 2)


def test_status_counts_and_says_what_was_saved_where_it_is_known(store: Path) -> None:
    fill(store, {"top_cost_usd": 2.02e-3}, {"top_cost_usd": None}, {"tier": None, "outcome": "upstream_error"})
    told = said(run(store, "status"))
    assert "3 requests, 2 of them answered" in told
    assert "0.500 of it" in told


def test_status_without_requests_says_so(store: Path) -> None:
    open_store(store).close()
    assert "No request in the last 24 hours" in said(run(store, "status"))


def test_status_says_why_the_top_tier_serves_a_task(store: Path) -> None:
    connection = open_store(store)
    why = "7 of 60 audits are missing (11.7%, and audit.most_missing is 5.0%), 7 of them by judge_failed: unreadable."
    evidence = {"kind": "missing", "guarantee": "joint", "target": 0.05, "audits_seen": 0, "why": why}
    monitoring.raise_alarm(connection, Alarm("intent", 1.7e9, "p", evidence))
    connection.close()
    assert f"intent: it is not watched ({why.rstrip('.')})" in " ".join(said(run(store, "status")).split())
    assert as_json(store, "status")["alarms"][0]["evidence"]["why"] == why


def test_feedback_is_stored_once(store: Path) -> None:
    fill(store, {})
    assert "Stored 2." in said(run(store, "feedback", "0" * 32, "--score", "0.5", "--label", "refund"))
    assert "Stored 0; 1 had been said before." in said(run(store, "feedback", "0" * 32, "--label", "refund"))
    assert stored(store, "SELECT kind, value FROM feedback ORDER BY kind") == [("label", '"refund"'), ("score", "0.5")]


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ('{"id": "nobody", "score": 1}', MissingData),
        ('{"id": "IT", "score": 7}', CorruptData),
        ("{", CorruptData),
        ('{"id": "IT"}', CorruptData),
        ('{"id": "IT", "scores": 1}', CorruptData),
    ],
)
def test_a_file_with_one_bad_line_stores_nothing(store: Path, last: str, error: type[Exception]) -> None:
    fill(store, {})
    file = store.with_name("rows.jsonl")
    good = json.dumps({"id": "0" * 32, "score": 1})
    file.write_text(good + "\n\n" + last.replace("IT", "0" * 32) + "\n")
    assert isinstance(run(store, "feedback", "--file", str(file)).exception, error)
    assert stored(store, "SELECT count(*) FROM feedback") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["explain", "x"], StoreError),
        (["status"], StoreError),
        (["keys", "list"], StoreError),
        (["feedback", "x", "--score", "1"], StoreError),
        (["feedback"], SettingsError),
        (["status", "--hours", "-1"], SettingsError),
        (["keys", "create", "ann", "--budget-usd", "-1"], SettingsError),
    ],
)
def test_what_cannot_be_done_is_named_and_makes_no_store(
    store: Path, arguments: list[str], error: type[Exception]
) -> None:
    assert isinstance(run(store, *arguments).exception, error)
    assert not store.exists()


@pytest.mark.parametrize(("arguments"), [["explain", "x"], ["keys", "revoke", "key_x"]])
def test_what_is_not_there_is_named(store: Path, arguments: list[str]) -> None:
    fill(store, {})
    assert isinstance(run(store, *arguments).exception, MissingData)


def test_settings_in_the_folder_name_the_store(store: Path) -> None:
    store.with_name("routenlp.yaml").write_text(
        "portfolio: [{name: top, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]\n"
        "store: {url: 'sqlite:///elsewhere.db'}\n"
    )
    said(CliRunner().invoke(app, ["keys", "create", "ann"]))
    assert store.with_name("elsewhere.db").exists()


def test_without_a_store_or_settings_the_remedy_is_named(store: Path) -> None:
    assert isinstance(CliRunner().invoke(app, ["status"]).exception, SettingsError)
