"""Puts the record of a gateway together: database, journal, ledger and writer, with what the last process left."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.budgets import Ledger, SpendKey, Spent
from routenlp.store.sql.database import mapped, open_store, transaction
from routenlp.store.sql.journal import Charge, ChargeJournal
from routenlp.store.sql.keys import KeyRing
from routenlp.store.sql.money import Budget, day_of, first_day
from routenlp.store.sql.writer import RecordWriter


@dataclass(frozen=True, slots=True, eq=False)
class OpenRecord:
    """What a gateway holds while it runs."""

    writer: RecordWriter
    ledger: Ledger
    keys: KeyRing

    def close(self, timeout_s: float) -> bool:
        """Commits what waits, then closes all; whether all was stored. Charges that were not lie in the journal.

        Where the disk does not answer in time the ledger stays locked, until a later `close` or the process's end:
        another process must not take charges from the journal that this one may still commit.
        """
        stored = self.writer.close(timeout_s)
        self.keys.close()
        if not self.writer.running:
            self.ledger.close()
        return stored


def open_record(
    path: Path,
    *,
    task_budgets: Mapping[str, Budget],
    content: ContentPolicy,
    capacity: int = 10_000,
    clock: Callable[[], float] = time.time,
) -> OpenRecord:
    """Opens the store at `path`, makes or migrates it, and brings charges home that a killed process left.

    Raises `StoreError` where that fails, or where another gateway runs on the same store.
    """
    connection = open_store(path)
    try:
        journal = ChargeJournal(path)
        try:
            with mapped(path):
                spent = recover(connection, journal, day_of(clock()))
            keys = KeyRing(path, clock())
        except BaseException:
            journal.close()
            raise
    except BaseException:
        connection.close()
        raise
    ledger = Ledger(journal, spent, key_budget=keys.budget, task_budgets=task_budgets)
    writer = RecordWriter(connection, ledger=ledger, content=content, capacity=capacity, clock=clock)
    return OpenRecord(writer, ledger, keys)


def recover(connection: sqlite3.Connection, journal: ChargeJournal, today: int) -> Spent:
    """Commits the journal's charges that the database lacks, each once; then what was spent so far."""
    (through,) = connection.execute(statements.COUNTER, ("charges_through",)).fetchone()
    missing = [charge for charge in journal.replay() if charge.seq > through]
    if missing:
        through = missing[-1].seq
        with transaction(connection):
            connection.executemany(statements.ADD_SPEND, map(_spend_row, missing))
            connection.execute(statements.SET_COUNTER, (through, "charges_through"))
    journal.clear()
    return Spent(_spent(connection, first_day("month", today)), through)


def _spend_row(charge: Charge) -> tuple[str, str, int, int, int]:
    return (charge.key_id, charge.task, charge.day, 1, charge.nanos)


def _spent(connection: sqlite3.Connection, month_began: int) -> dict[SpendKey, int]:
    """This month day by day, everything before it in one sum an account: only totals still need it."""
    before: Iterable[tuple[str, str, int]] = connection.execute(statements.SPEND_BEFORE, (month_began,))
    by_day: dict[SpendKey, int] = {(key_id, task, month_began - 1): amount for key_id, task, amount in before}
    since: Iterable[tuple[str, str, int, int]] = connection.execute(statements.SPEND_SINCE, (month_began,))
    by_day.update({(key_id, task, day): amount for key_id, task, day, amount in since})
    return by_day
