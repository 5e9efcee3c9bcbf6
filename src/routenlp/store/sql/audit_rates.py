"""How much of each task is audited, as the worker has planned it: what the gateway draws by, and why.

A task without a row is audited as the settings say. A new row is noticed by running gateways within a second.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from routenlp.drift.audit_rate import SEEN, AuditRate, Why
from routenlp.store.sql import statements
from routenlp.store.sql.database import transaction
from routenlp.store.sql.money import DAY_S

RECENT_DAYS = 7.0
"""Of requests, that a day's are the mean of: every day of the week counts once."""


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """Of one task."""

    task: str
    at_s: float
    """Since when it is planned so."""
    planned: AuditRate
    requests_a_day: float | None
    """That might be drawn, by which it was planned; None where that was not known."""
    graded: int
    """Audits that had been graded then."""

    @property
    def seen_enough(self) -> bool:
        """Whether a task that is served by what was seen is audited by the plan from now on."""
        return self.graded >= SEEN


def planned_rates(connection: sqlite3.Connection) -> dict[str, PlannedRate]:
    """By task."""
    rows = connection.execute(statements.AUDIT_RATES).fetchall()
    return {
        task: PlannedRate(task, at_s, AuditRate(rate, Why(why), days), a_day, graded)
        for task, at_s, rate, why, days, a_day, graded in rows
    }


def put_planned_rate(connection: sqlite3.Connection, new: PlannedRate) -> None:
    """In place of the task's last one."""
    its = new.planned
    row = (new.task, new.at_s, its.rate, str(its.why), its.alarm_days, new.requests_a_day, new.graded)
    with transaction(connection):
        connection.execute(statements.PUT_AUDIT_RATE, row)
        connection.execute(statements.TOUCH_POINTER)


def requests_a_day(connection: sqlite3.Connection, task: str, now_s: float) -> float | None:
    """Of the task's requests that might have been drawn for an audit, over the last `RECENT_DAYS`; None before the
    record is a day long, and where none was drawn.

    Each audit stands for one over its chance, so that no request has to be counted.
    """
    first_s = connection.execute(statements.FIRST_DRAWN, (task, now_s)).fetchone()[0]
    days = 0.0 if first_s is None else min((now_s - first_s) / DAY_S, RECENT_DAYS)
    if days < 1.0:
        return None
    since_s = now_s - RECENT_DAYS * DAY_S
    found = connection.execute(statements.DRAWN_STAND_FOR, (task, since_s, now_s)).fetchone()[0]
    return None if found is None else float(found) / days
