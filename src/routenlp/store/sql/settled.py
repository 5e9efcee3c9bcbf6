"""How many of the audits that were drawn were graded, and how many never will be, and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from routenlp.store.sql import statements
from routenlp.store.sql.audits import UNREACHED

DROPPED = "the store could not take their record"


@dataclass(frozen=True, slots=True)
class Settled:
    """Of one task, audits drawn since a moment. Those that still wait are in neither number."""

    graded: int
    missing: int
    """That could not be run or graded: what they would have said is not known."""
    unreached: int
    """For which there was no time or money: a random part of all, so their lack makes estimates wider, not wrong."""
    reasons: Mapping[str, int]
    """Of the missing ones, the commonest first. Of a record that was dropped no task is known: it counts for each."""

    @property
    def share(self) -> float | None:
        """That is missing; None where none was settled."""
        every = self.graded + self.missing
        return self.missing / every if every else None


def settled(connection: sqlite3.Connection, task: str, since_s: float) -> Settled:
    """Of queries that came since then."""
    graded = connection.execute(statements.GRADED_COUNT, (task, since_s)).fetchone()[0]
    reasons = dict(connection.execute(statements.MISSING_REASONS, (task, since_s)).fetchall())
    _, dropped = connection.execute(statements.DROPPED_SINCE, (since_s,)).fetchone()
    unreached = int(reasons.pop(UNREACHED, 0))
    found = {**reasons, **({DROPPED: int(dropped)} if dropped else {})}
    in_order = dict(sorted(found.items(), key=lambda reason: -reason[1]))
    return Settled(int(graded), sum(found.values()), unreached, in_order)


def missing_cheap(connection: sqlite3.Connection, task: str, policy: str, top: str) -> int:
    """Missing audits of queries that this policy answered from another tier than the top one."""
    return int(connection.execute(statements.MISSING_CHEAP, (task, policy, top, UNREACHED)).fetchone()[0])
