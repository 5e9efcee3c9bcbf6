"""Who leads: a lease in the store that runs out by itself, and the switch that pauses what it leads.

A lease is about not doing work twice; what must never happen twice has locks and transactions of its own. So a clock
that jumps costs some work at the most: one that went back may not keep a dead leader's lease alive for ever.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from routenlp.store.sql import statements
from routenlp.store.sql.database import transaction

WORKER = "worker"
LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class Paused:
    """Somebody stopped it."""

    at_s: float
    by: str


def take(connection: sqlite3.Connection, name: str, holder: str, *, now_s: float, for_s: float = LEASE_S) -> bool:
    """Takes the lease, or renews it; False while another holds it.

    A lease that would run for longer than any is given was written by a clock that has since gone back: it is over.
    """
    with transaction(connection):
        row = connection.execute(statements.LEASE, (name,)).fetchone()
        if row is not None and row[0] != holder and now_s < row[1] <= now_s + 2.0 * for_s:
            return False
        connection.execute(statements.TAKE_LEASE, (name, holder, now_s + for_s))
    return True


def end(connection: sqlite3.Connection, name: str, holder: str) -> None:
    """Gives it up, so that the next one need not wait."""
    with transaction(connection):
        connection.execute(statements.END_LEASE, (name, holder))


def paused(connection: sqlite3.Connection, name: str) -> Paused | None:
    """None: it may go on."""
    row = connection.execute(statements.PAUSED, (name,)).fetchone()
    return None if row is None else Paused(float(row[0]), str(row[1]))


def pause(connection: sqlite3.Connection, name: str, by: str, *, now_s: float) -> None:
    """Until `resume`."""
    with transaction(connection):
        connection.execute(statements.PAUSE, (name, now_s, by))


def resume(connection: sqlite3.Connection, name: str) -> bool:
    """False where it was not paused."""
    with transaction(connection):
        return connection.execute(statements.RESUME, (name,)).rowcount > 0
