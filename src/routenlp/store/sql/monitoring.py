"""What watches over quality keeps in the store: which audits it has seen, its detectors' states, and its alarms.

An audit goes to a detector once, whatever dies in between: that it was seen, what the detector then remembers, and the
alarm, are one transaction. While an alarm is open, its task is served by the top tier (`store.in_force`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from routenlp.drift.detector import State
from routenlp.store.sql import statements
from routenlp.store.sql.audits import BEST_FIRST, Source
from routenlp.store.sql.database import transaction

WentTo = Literal["detector", "calibration", "nobody"]


@dataclass(frozen=True, slots=True)
class GradedAudit:
    """One audit whose answers are graded."""

    trace_id: str
    at_s: float
    task: str
    policy: str
    status: str
    """Of the task when the query came."""
    served: str | None
    """Whose answer was returned."""
    first: str
    """Which tier was asked first."""
    steps: int
    quality: Mapping[str, float]
    """By tier, by one kind of grader: people (or a metric against what they wrote) where they graded all that the judge
    did, else the judge. Beside a judge's grade of one answer a person's of another would compare the graders."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of one audit."""

    audit: GradedAudit
    x: float | None
    """None where the guarantee says nothing of it."""
    went_to: WentTo


@dataclass(frozen=True, slots=True)
class StoredDetector:
    """One task's."""

    policy: str
    """That it watches; another one begins anew, unless it serves the task alike."""
    since_s: float
    guarantee: str
    target: float
    false_alarm_samples: float
    state: State


@dataclass(frozen=True, slots=True)
class Alarm:
    """One task's quality has fallen."""

    task: str
    raised_s: float
    policy: str
    evidence: Mapping[str, Any]
    cleared_s: float | None = None
    cleared_by: str | None = None


def unwatched(connection: sqlite3.Connection, most: int) -> list[GradedAudit]:
    """Graded audits that nothing has looked at yet, the oldest first."""
    rows = connection.execute(statements.UNWATCHED, (most,)).fetchall()
    return [
        GradedAudit(id_, at_s, task, policy, status, served, first, steps, _qualities(connection, id_))
        for id_, at_s, task, policy, status, served, first, steps in rows
    ]


def put_watched(
    connection: sqlite3.Connection, seen: Watched, detector: StoredDetector | None, alarm: Alarm | None
) -> None:
    """All in one transaction; an alarm is noticed by running gateways within a second."""
    audit = seen.audit
    with transaction(connection):
        row = (audit.trace_id, audit.task, audit.at_s, audit.policy, seen.x, seen.went_to)
        if connection.execute(statements.PUT_WATCHED, row).rowcount == 0:
            return  # another worker was first
        if detector is not None:
            _put_detector(connection, audit.task, detector)
        if alarm is not None:
            raise_in(connection, alarm)


def read_detector(connection: sqlite3.Connection, task: str) -> StoredDetector | None:
    """None where none was begun."""
    row = connection.execute(statements.DETECTOR, (task,)).fetchone()
    if row is None:
        return None
    policy, since_s, guarantee, target, samples, statistics, seen = row
    return StoredDetector(policy, since_s, guarantee, target, samples, State(tuple(json.loads(statistics)), seen))


def open_alarms(connection: sqlite3.Connection) -> dict[str, Alarm]:
    """By task."""
    rows = connection.execute(statements.OPEN_ALARMS).fetchall()
    return {task: Alarm(task, raised_s, policy, json.loads(found)) for task, raised_s, policy, found in rows}


def every_alarm(connection: sqlite3.Connection) -> list[Alarm]:
    """The oldest first, with how each ended."""
    rows = connection.execute(statements.ALARMS).fetchall()
    return [Alarm(task, at_s, policy, json.loads(found), *ended) for task, at_s, policy, found, *ended in rows]


def alarmed_later(connection: sqlite3.Connection, audit: GradedAudit, now_s: float) -> bool:
    """Whether the policy that served the audited query, or one that serves its task alike, had an alarm of the task
    after it: what it says is known.

    An alarm from after `now_s` was raised by a clock that went back since, and is later than nothing.
    """
    row = {"task": audit.task, "policy": audit.policy, "at_s": audit.at_s, "now_s": now_s}
    return bool(connection.execute(statements.ALARMED_LATER, row).fetchone()[0])


def put_policy(connection: sqlite3.Connection, policy: str, decides: Mapping[str, str]) -> None:
    """What decides on each task under this policy, as a hash: for good, so that audits of it are known later too."""
    if connection.execute(statements.TASKS_OF_POLICY, (policy,)).fetchone()[0] == len(decides):
        return
    with transaction(connection):
        connection.executemany(statements.PUT_POLICY_TASK, [(policy, task, its) for task, its in decides.items()])


def served_alike(connection: sqlite3.Connection, task: str, one: str, other: str) -> bool:
    """Whether two policies are the same, or are known to serve the task exactly alike."""
    return one == other or bool(connection.execute(statements.SERVED_ALIKE, (task, one, other)).fetchone()[0])


def watched_of(connection: sqlite3.Connection, task: str, policy: str) -> tuple[float, ...]:
    """What the watch says of each graded audit that this very policy served, in the order in which they came."""
    return tuple(x for (x,) in connection.execute(statements.WATCHED_OF, (task, policy)))


def raise_alarm(connection: sqlite3.Connection, alarm: Alarm) -> None:
    """Of what no detector sees; nothing where one is open already."""
    with transaction(connection):
        raise_in(connection, alarm)


def clear_alarm(connection: sqlite3.Connection, task: str, by: str, *, now_s: float) -> bool:
    """The task is served by its policy again; False where no alarm was open. `by`: what cleared it, in words."""
    with transaction(connection):
        cleared = connection.execute(statements.CLEAR_ALARM, (now_s, by, task)).rowcount > 0
        if cleared:
            connection.execute(statements.TOUCH_POINTER)
    return cleared


def raise_in(connection: sqlite3.Connection, alarm: Alarm) -> None:
    """The same, in a transaction that is open."""
    raised = (alarm.task, alarm.raised_s, alarm.policy, json.dumps(alarm.evidence, sort_keys=True))
    if connection.execute(statements.RAISE_ALARM, raised).rowcount > 0:
        connection.execute(statements.TOUCH_POINTER)


def _put_detector(connection: sqlite3.Connection, task: str, detector: StoredDetector) -> None:
    state = json.dumps(detector.state.statistics), detector.state.seen
    about = detector.policy, detector.since_s, detector.guarantee, detector.target, detector.false_alarm_samples
    connection.execute(statements.PUT_DETECTOR, (task, *about, *state))


def _qualities(connection: sqlite3.Connection, trace_id: str) -> dict[str, float]:
    found: Sequence[tuple[str, Source, float]] = connection.execute(statements.QUALITIES_OF, (trace_id,)).fetchall()
    best_last = sorted(found, key=lambda grade: -BEST_FIRST.index(grade[1]))
    people = {tier: quality for tier, source, quality in best_last if source != "judge"}
    judged = {tier: quality for tier, source, quality in best_last if source == "judge"}
    return people if set(judged) <= set(people) else judged
