"""Every attempt at calibrating a task again, with what it was decided on: those that failed count too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from routenlp.store.sql import statements
from routenlp.store.sql.database import transaction

Result = Literal["active", "too few labels", "not proved", "refused"]
"""`active`: a new version serves. `too few labels`: nothing was tested. `not proved`: no policy passed."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One."""

    task: str
    at_s: float
    trigger: str
    result: Result
    version: str | None
    """That serves since; None where none was made."""
    evidence: Mapping[str, Any]

    @property
    def tested(self) -> bool:
        """Whether rows were looked at, and a share of their delta spent."""
        return self.evidence.get("level") is not None


def put_attempt(connection: sqlite3.Connection, attempt: Attempt) -> None:
    """On record, for good."""
    found = json.dumps(attempt.evidence, sort_keys=True, allow_nan=False)
    row = (attempt.at_s, attempt.task, attempt.trigger, attempt.result, attempt.version, found)
    with transaction(connection):
        connection.execute(statements.PUT_RECALIBRATION, row)


def attempts(connection: sqlite3.Connection, task: str | None = None) -> list[Attempt]:
    """The oldest first."""
    return [_attempt(*row) for row in connection.execute(statements.RECALIBRATIONS, (task, task))]


def last_attempt(connection: sqlite3.Connection, task: str) -> Attempt | None:
    """None where there was none."""
    row = connection.execute(statements.LAST_RECALIBRATION, (task,)).fetchone()
    return None if row is None else _attempt(*row)


def attempt_counts(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """By trigger and result."""
    return [
        (str(trigger), str(result), int(n))
        for trigger, result, n in connection.execute(statements.RECALIBRATION_COUNTS)
    ]


def graded_count(connection: sqlite3.Connection, task: str, since_s: float) -> int:
    """Graded audits of requests that came since then."""
    return int(connection.execute(statements.GRADED_COUNT, (task, since_s)).fetchone()[0])


def last_alarm_s(connection: sqlite3.Connection, task: str, now_s: float) -> float | None:
    """When the task's last alarm was raised, open or not; None where there was none.

    One from after `now_s` was raised by a clock that went back since. Then it is the time of the newest query that the
    detector had seen, or of the alarm before, as far as clocks agree: else no query would come after it for long.
    """
    found = connection.execute(statements.LAST_ALARM, (task,)).fetchone()[0]
    if found is not None and found > now_s:
        found = connection.execute(statements.LAST_SEEN, (task, task, now_s)).fetchone()[0]
    return None if found is None else float(found)


def _attempt(at_s: float, task: str, trigger: str, result: Result, version: str | None, found: str) -> Attempt:
    return Attempt(task, at_s, trigger, result, version, json.loads(found))
