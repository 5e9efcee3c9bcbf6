from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.unit.store.sql.made import NOON_S, made_trace

from routenlp.errors import SettingsError, StoreError
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.budgets import Refused, Reservation
from routenlp.store.sql.database import locate
from routenlp.store.sql.journal import Charge, ChargeJournal
from routenlp.store.sql.money import Budget, day_of
from routenlp.store.sql.opening import OpenRecord, open_record

TODAY = day_of(NOON_S)


def opened(path: Path) -> OpenRecord:
    budgets = {"intent": Budget(1.0, "total")}
    return open_record(path, task_budgets=budgets, content=ContentPolicy(), clock=lambda: NOON_S)


def spend(record: OpenRecord, usd: float) -> None:
    held = record.ledger.reserve("key_a", "intent", usd, NOON_S)
    assert isinstance(held, Reservation)
    record.ledger.settle(held, usd)


def stored_nanos(path: Path) -> int:
    connection = sqlite3.connect(path)
    (total,) = connection.execute("SELECT sum(nanos) FROM spend").fetchone()
    connection.close()
    return int(total)


def test_balances_outlive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    record = opened(path)
    spend(record, 0.75)
    record.writer.put(made_trace())
    assert record.close(10)
    record = opened(path)
    assert isinstance(record.ledger.reserve("key_a", "intent", 0.5, NOON_S), Refused)
    spend(record, 0.25)
    assert record.close(10)
    assert stored_nanos(path) == 1_000_000_000


def test_charges_that_only_the_journal_has_are_brought_home_once(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    record = opened(path)
    spend(record, 0.1)
    assert record.close(10)
    journal = ChargeJournal(path)
    # The first is in the database already: a kill between the commit and the emptying of the journal leaves it.
    journal.write(Charge(1, "key_a", "intent", TODAY, 100_000_000))
    journal.write(Charge(2, "key_a", "intent", TODAY, 200_000_000))
    journal.close()
    for _ in range(2):
        record = opened(path)
        assert record.ledger.left_usd("task", "intent", NOON_S) == 0.7
        assert record.close(10)
    assert stored_nanos(path) == 300_000_000


def test_a_second_gateway_on_the_same_store_is_refused(tmp_path: Path) -> None:
    record = opened(tmp_path / "s.db")
    with pytest.raises(StoreError, match="another gateway"):
        opened(tmp_path / "s.db")
    assert record.close(10)
    assert opened(tmp_path / "s.db").close(10)


def test_charges_are_safe_while_the_database_is_not_writable(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    record = opened(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    spend(record, 0.5)
    assert not record.close(0.05)
    with pytest.raises(StoreError, match="another gateway"):
        opened(path)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert record.close(10)
    record = opened(path)
    assert record.ledger.left_usd("task", "intent", NOON_S) == 0.5
    assert record.close(10)


@pytest.mark.parametrize(("url", "path"), [("sqlite:///a/b.db", "a/b.db"), ("sqlite:////tmp/b.db", "/tmp/b.db")])
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert locate(url) == Path(path)


@pytest.mark.parametrize("url", ["postgresql://user:hunter2@host/db", "sqlite:///", "routenlp.db", ""])
def test_another_url_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.url") as found:
        locate(url)
    assert "hunter2" not in str(found.value)
