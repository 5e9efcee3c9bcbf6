"""Audits as a worker sees them: taken one at a time, answered by every tier, graded, or missing with a reason.

    pending ─▶ answered ─▶ graded
       └──────────┴─────▶ missing

An audit that is taken is nobody else's for `CLAIM_S`; a worker that dies leaves it to the next one. Every step is one
transaction: its answers, their money and its state are on disk together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.database import transaction
from routenlp.store.sql.money import day_of, nanos, usd_of

CLAIM_S = 900.0
MOST_HELD_S = 21_600.0
"""Longer than an audit is held or put off: a claim that ends later was written by a clock that went back since."""
TRIES = 6
"""Times that an audit is taken in one state before it is given up: over some six hours, so that an endpoint that is out
for a while breaks no audit. What is missing counts against every certificate."""
UNREACHED = "not_run_in_time"
"""Why an audit is missing that nobody came to. As audits are taken in a random order, those that are reached are a
random part of all, and nothing about a query decides whether it is."""
State = Literal["pending", "answered", "graded", "missing"]
Source = Literal["gold", "judge", "metric"]
BEST_FIRST: tuple[Source, ...] = ("gold", "metric", "judge")
"""Sources of grades, the most trusted first."""


@dataclass(frozen=True, slots=True)
class TierAnswer:
    """What one tier answered to an audited query, but for its text; or that it failed."""

    tier: str
    asked_again: bool
    """By the worker; else it is the answer that was served."""
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float
    """Of this call: 0 where nothing was asked again, for it was paid already."""
    latency_s: float
    score: float | None = None
    model: str | None = None
    """As the endpoint named it."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """One quality of one answer, by one grader."""

    tier: str
    source: Source
    grader: str
    quality: float
    """In [0, 1]."""
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit with all that is known of it."""

    trace_id: str
    at_s: float
    task: str
    propensity: float
    tiers: tuple[str, ...]
    """That may be run: the wall as it stood."""
    tries: int
    """This one among them."""
    state: State
    steps: tuple[Mapping[str, Any], ...]
    """Of the trace: what was served."""
    request: Mapping[str, Any] | None
    """None where the content is gone."""
    answers: Mapping[str, str]
    """Texts by tier, as far as they are there."""
    redacted: bool
    """Whether the request was changed before it was stored."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """By tier, what is known of the tokens of its answer (`backends.kept_tokens`)."""


def claim(connection: sqlite3.Connection, state: State, worker: str, *, now_s: float, most: int = 1) -> list[Audit]:
    """Takes audits in `state` that nobody else holds, in a random order that is the same for all."""
    with transaction(connection):
        found = connection.execute(statements.CLAIMABLE, (state, now_s, now_s + MOST_HELD_S, TRIES, most)).fetchall()
        for (trace_id,) in found:
            connection.execute(statements.CLAIM, (worker, now_s + CLAIM_S, now_s, trace_id))
    return [read_audit(connection, trace_id) for (trace_id,) in found]


def read_audit(connection: sqlite3.Connection, trace_id: str) -> Audit:
    """The audit of this trace; raises `KeyError` where there is none."""
    row = connection.execute(statements.AUDIT, (trace_id,)).fetchone()
    if row is None:
        raise KeyError(trace_id)
    name, at_s, task, propensity, tiers, tries, state, detail, body = row
    content = msgspec.json.decode(body) if body is not None else {}
    return Audit(
        name,
        at_s,
        task,
        propensity,
        tuple(msgspec.json.decode(tiers)),
        tries,
        state,
        tuple(msgspec.json.decode(detail)["steps"]),
        content.get("request"),
        content.get("answers", {}),
        content.get("redacted", False),
        content.get("tokens", {}),
    )


def put_answers(
    connection: sqlite3.Connection,
    audit: Audit,
    answers: Sequence[TierAnswer],
    texts: Mapping[str, str],
    policy: ContentPolicy,
    *,
    now_s: float,
    state: State,
    reason: str | None = None,
    again_s: float | None = None,
    tokens: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Stores answers, their redacted texts beside the request, what they cost, and what became of the audit.

    `again_s`: until then nobody takes it. `tokens`: by tier, what is known of the tokens of its text.
    """
    paid = [answer for answer in answers if answer.asked_again]
    with transaction(connection):
        for a in answers:
            paid_for = a.input_tokens, a.output_tokens, nanos(a.cost_usd)
            row = (audit.trace_id, a.tier, now_s, int(a.asked_again), a.model, *paid_for, a.latency_s, a.score, a.error)
            connection.execute(statements.PUT_AUDIT_ANSWER, row)
        if texts and audit.request is not None:
            known = {tier: its for tier, its in audit.tokens.items() if tier not in texts}
            answers_kept = policy.cleaned_answers({**audit.answers, **texts}, {**known, **tokens})
            body = {"request": audit.request, **answers_kept}
            if audit.redacted:
                body["redacted"] = True
            connection.execute(statements.SET_CONTENT, (msgspec.json.encode(body).decode(), audit.trace_id))
        _spend(connection, audit.task, "tier", len(paid), sum(a.cost_usd for a in paid), now_s)
        _move(connection, audit.trace_id, state, reason, now_s)
        if again_s is not None:
            connection.execute(statements.PUT_OFF_AUDIT, (again_s, audit.trace_id))


def put_grades(
    connection: sqlite3.Connection,
    audit: Audit,
    grades: Sequence[Grade],
    *,
    now_s: float,
    state: State | None = None,
    reason: str | None = None,
    calls: int = 0,
    cost_usd: float = 0.0,
    again_s: float | None = None,
) -> None:
    """Stores grades, and what a judge cost for them. `state`: None leaves the audit where it is."""
    with transaction(connection):
        for g in grades:
            detail = msgspec.json.encode(g.detail).decode() if g.detail is not None else None
            row = (audit.trace_id, g.tier, g.source, g.grader, now_s, g.quality, detail)
            connection.execute(statements.PUT_GRADE, row)
        _spend(connection, audit.task, "judge", calls, cost_usd, now_s)
        if state is not None:
            _move(connection, audit.trace_id, state, reason, now_s)
        if again_s is not None:
            connection.execute(statements.PUT_OFF_AUDIT, (again_s, audit.trace_id))


def free(connection: sqlite3.Connection, audit: Audit, *, again_s: float | None = None) -> None:
    """Gives it back as if it had never been taken; nobody takes it before `again_s`."""
    with transaction(connection):
        connection.execute(statements.FREE_AUDIT, (audit.trace_id,))
        if again_s is not None:
            connection.execute(statements.PUT_OFF_AUDIT, (again_s, audit.trace_id))


def miss(connection: sqlite3.Connection, audit: Audit, reason: str, *, now_s: float) -> None:
    """It will never be graded, and estimates must count it as missing."""
    with transaction(connection):
        _move(connection, audit.trace_id, "missing", reason, now_s)


def miss_old(connection: sqlite3.Connection, *, before_s: float, now_s: float) -> int:
    """All that still wait and were drawn before `before_s`; returns how many. One that failed keeps the reason why."""
    with transaction(connection):
        free = (now_s, now_s + MOST_HELD_S)
        return connection.execute(statements.MISS_OLD_AUDITS, (UNREACHED, now_s, before_s, *free)).rowcount


def spent_usd(connection: sqlite3.Connection, now_s: float) -> float:
    """On audits and judging, in this day of UTC."""
    return usd_of(connection.execute(statements.AUDIT_SPEND_ON, (day_of(now_s),)).fetchone()[0])


def answers_of(connection: sqlite3.Connection, trace_id: str) -> list[TierAnswer]:
    """What every tier answered."""
    return [
        TierAnswer(tier, bool(again), read, written, usd_of(cost), latency_s, score, model, error)
        for tier, again, model, read, written, cost, latency_s, score, error in connection.execute(
            statements.AUDIT_ANSWERS, (trace_id,)
        )
    ]


def grades_of(connection: sqlite3.Connection, trace_id: str) -> list[Grade]:
    """All grades of its answers."""
    return [
        Grade(tier, source, grader, quality, msgspec.json.decode(detail) if detail is not None else None)
        for tier, source, grader, _, quality, detail in connection.execute(statements.GRADES_OF, (trace_id,))
    ]


def people_graded(connection: sqlite3.Connection, trace_id: str, more: Sequence[Grade] = ()) -> bool:
    """Whether people, or a metric against what they wrote, graded every answer; `more`: grades about to be stored.

    Grades of some answers compare nothing: the audit goes on waiting for the others.
    """
    answered = {answer.tier for answer in answers_of(connection, trace_id) if answer.error is None}
    graded = {grade.tier for grade in (*grades_of(connection, trace_id), *more) if grade.source != "judge"}
    return bool(answered) and answered <= graded


def gold_of(connection: sqlite3.Connection, trace_id: str) -> str | None:
    """What a person says that the answer should have been; None where nobody did."""
    row = connection.execute(statements.GOLD_OF, (trace_id,)).fetchone()
    return None if row is None else str(row[0])


def answered_since(connection: sqlite3.Connection, since_s: float) -> list[str]:
    """Traces of the audits that every tier answered, graded or not, of requests that came since then, oldest first."""
    return [trace_id for (trace_id,) in connection.execute(statements.ANSWERED_SINCE, (since_s,))]


@dataclass(frozen=True, slots=True)
class AuditCount:
    """How many audits of one task are in one state for one reason."""

    task: str
    state: str
    reason: str
    audits: int


def audit_counts(connection: sqlite3.Connection, since_s: float) -> list[AuditCount]:
    """Of those drawn since a moment. Audits whose record was dropped are not among them (`Standing.dropped_audits`)."""
    return [AuditCount(*row) for row in connection.execute(statements.AUDIT_COUNTS, (since_s,))]


def _move(connection: sqlite3.Connection, trace_id: str, state: State, reason: str | None, now_s: float) -> None:
    connection.execute(statements.MOVE_AUDIT, (state, reason, now_s, state, trace_id))


def _spend(connection: sqlite3.Connection, task: str, kind: str, calls: int, usd: float, now_s: float) -> None:
    if calls:
        connection.execute(statements.ADD_AUDIT_SPEND, (day_of(now_s), task, kind, calls, nanos(usd)))
