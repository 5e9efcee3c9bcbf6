"""Audits that people and a judge have graded, and what the judge's detector remembers of them (`drift.judge`).

Like an alarm's detector, one of a judge sees an audit once, whatever dies in between.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routenlp.drift.judge import JudgeState
from routenlp.store.sql import statements
from routenlp.store.sql.audits import BEST_FIRST
from routenlp.store.sql.database import transaction
from routenlp.store.sql.monitoring import Alarm, raise_in


@dataclass(frozen=True, slots=True)
class BothGraded:
    """One audit, every answer of which that the judge graded people graded too."""

    trace_id: str
    at_s: float
    task: str
    gold_propensity: float
    """Of having been drawn for people."""
    judge: str
    gold: Mapping[str, float]
    """By tier, like the next."""
    judged: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StoredJudgeDetector:
    """One task's."""

    about: Mapping[str, Any]
    """Which judge, and under which promise: another one begins anew."""
    since_s: float
    false_alarm_samples: float
    state: JudgeState


def both_graded(connection: sqlite3.Connection, most: int) -> list[BothGraded]:
    """Those that no detector has seen, in the order in which their queries came."""
    rows = connection.execute(statements.BOTH_GRADED, (most,)).fetchall()
    return [
        BothGraded(
            name, at_s, task, chance, *_grades(connection.execute(statements.GRADES_IN_ORDER, (name,)).fetchall())
        )
        for name, at_s, task, chance in rows
    ]


def read_judge_detector(connection: sqlite3.Connection, task: str) -> StoredJudgeDetector | None:
    """None where none was begun."""
    row = connection.execute(statements.JUDGE_DETECTOR, (task,)).fetchone()
    if row is None:
        return None
    about, since_s, samples, counts, values = row
    state = JudgeState(tuple(json.loads(counts)), tuple(json.loads(values)))
    return StoredJudgeDetector(json.loads(about), since_s, samples, state)


def put_compared(
    connection: sqlite3.Connection,
    audit: BothGraded,
    gap: float | None,
    detector: StoredJudgeDetector | None,
    alarm: Alarm | None,
) -> None:
    """All in one transaction. `gap`: None where the audit says nothing of the judge."""
    with transaction(connection):
        row = (audit.trace_id, audit.task, audit.at_s, audit.judge, gap)
        if connection.execute(statements.PUT_COMPARED, row).rowcount == 0:
            return  # another worker was first
        if detector is not None:
            about = json.dumps(detector.about, sort_keys=True)
            state = json.dumps(detector.state.counts), json.dumps(detector.state.statistics)
            values = (audit.task, about, detector.since_s, detector.false_alarm_samples, *state)
            connection.execute(statements.PUT_JUDGE_DETECTOR, values)
        if alarm is not None:
            raise_in(connection, alarm)


def rests_on_judge(connection: sqlite3.Connection, task: str) -> bool:
    """Whether some audit of the task has a judge's grades and no person's: its watch counts on the judge then."""
    return bool(connection.execute(statements.RESTS_ON_JUDGE, (task,)).fetchone()[0])


def graded_by_people(connection: sqlite3.Connection, task: str, since_s: float = 0.0) -> int:
    """How many audits of queries that came since then have a person's grade, or a metric's against a reference."""
    return int(connection.execute(statements.GRADED_BY_PEOPLE, (task, since_s)).fetchone()[0])


def newest_policy(connection: sqlite3.Connection, task: str) -> str:
    """In force when the task's last audit was drawn; there is one."""
    return str(connection.execute(statements.NEWEST_POLICY, (task,)).fetchone()[0])


def _grades(found: list[tuple[str, str, str, float]]) -> tuple[str, dict[str, float], dict[str, float]]:
    """The judge that graded last, people's best grades and that judge's, from (tier, source, grader, quality)."""
    judge = next(grader for _, source, grader, _ in reversed(found) if source == "judge")
    people = sorted((row for row in found if row[1] != "judge"), key=lambda row: -BEST_FIRST.index(row[1]))
    judged = {tier: quality for tier, source, grader, quality in found if (source, grader) == ("judge", judge)}
    return judge, {tier: quality for tier, _, _, quality in people}, judged
