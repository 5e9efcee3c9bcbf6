"""What a report is made of, read back: requests as sums by task, day and way, and every audit that was drawn."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from routenlp.store.sql import report_statements as statements
from routenlp.store.sql.graded import Quality
from routenlp.store.sql.money import day_of, usd_of
from routenlp.store.sql.records import NAMED, OFF, ONE_TIER

Way = Literal["routed", "by rule", "named", "off", "unknown"]
"""How a request came to its tier. `routed`: the policy chose, and the answer's tokens are known. `by rule`: the last
allowed tier answered because nothing was proved, an alarm was open, or no other is allowed. `named`, `off`: the client
chose. `unknown`: it was routed, and no answer's tokens are on record."""


@dataclass(frozen=True, slots=True)
class Period:
    """Requests from `since_s` up to, and without, `until_s`; of one task, or of all."""

    since_s: float
    until_s: float
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one task that came on one day of UTC in one way."""

    task: str
    day: int
    way: Way
    covered: bool
    """Whether each might have been drawn for an audit."""
    requests: int
    ok: int
    escalated: int
    """That asked more than one tier."""
    cost_usd: float
    top_estimate_usd: float | None
    """What the last tier would have cost with the tokens of the answers returned; None where that is not `routed`."""
    expected_audits: float
    """The sum of the chances of being drawn."""
    drawn: int
    least_propensity: float | None
    most_propensity: float | None
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class ReportedAudit:
    """One request that was drawn for an audit, whatever became of it."""

    trace_id: str
    at_s: float
    task: str
    propensity: float
    gold_propensity: float | None
    tiers: tuple[str, ...]
    """To be run, cheapest first."""
    state: str
    reason: str
    served: str | None
    group: str
    """Its conversation's; its own id where none is on record."""
    cost_usd: float
    """Of serving it."""
    top_estimate_usd: float | None
    """As in `Traffic`."""
    top_usd: float | None
    """What the last tier's answer did cost, in serving or in the audit; None where there is no such answer."""
    qualities: Mapping[str, Quality]

    @property
    def top(self) -> str:
        """The tier that it is compared with."""
        return self.tiers[-1]


@dataclass(frozen=True, slots=True)
class AuditSpend:
    """What audits of one task cost beyond serving."""

    task: str
    kind: Literal["tier", "judge"]
    calls: int
    usd: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What the record lacks and holds beside requests, over all tasks."""

    dropped: int
    """Records that could not be stored."""
    dropped_audits: int
    contents: int
    """Requests whose words are kept still."""
    redacted: int
    """Of them, those that something was taken out of."""
    shadowed: int
    """Requests that a candidate was tried on in the background."""
    feedback: Mapping[str, int]
    """By kind."""


@dataclass(frozen=True, slots=True)
class ServedPolicy:
    """A policy that answered requests."""

    policy: str
    first_s: float
    last_s: float
    requests: int


def traffic(connection: sqlite3.Connection, period: Period) -> list[Traffic]:
    """In the order of tasks and days."""
    rows = connection.execute(statements.TRAFFIC, (NAMED, OFF, ONE_TIER, *_bounds(period)))
    return [_traffic(*row) for row in rows]


def reported_audits(connection: sqlite3.Connection, period: Period) -> list[ReportedAudit]:
    """In the order in which their requests came."""
    paid: dict[tuple[str, str], int] = {
        (name, tier): cost
        for name, tier, again, cost in connection.execute(statements.REPORTED_ANSWERS, _bounds(period))
        if again
    }
    grades: dict[str, dict[str, dict[bool, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for name, tier, source, quality in connection.execute(statements.REPORTED_GRADES, _bounds(period)):
        grades[name][tier][source == "judge"].append(quality)
    found = []
    for name, at_s, task, chance, gold_chance, tiers, state, reason, served, cost, estimate, text in connection.execute(
        statements.REPORTED_AUDITS, _bounds(period)
    ):
        detail = msgspec.json.decode(text)
        walled = tuple(msgspec.json.decode(tiers))
        found.append(
            ReportedAudit(
                name,
                at_s,
                task,
                chance,
                gold_chance,
                walled,
                state,
                reason,
                served,
                detail.get("group") or name,
                usd_of(cost),
                _usd_or_none(estimate),
                _top_usd(detail["steps"], walled[-1], paid.get((name, walled[-1]))),
                {tier: Quality(_mean(by[False]), _mean(by[True])) for tier, by in grades[name].items()},
            )
        )
    return found


def audit_spend(connection: sqlite3.Connection, period: Period) -> list[AuditSpend]:
    """In whole days of UTC."""
    days = (day_of(period.since_s), day_of(period.until_s - 1.0) + 1, period.task, period.task)
    rows = connection.execute(statements.AUDIT_SPEND_BETWEEN, days)
    return [AuditSpend(task, kind, calls, usd_of(amount)) for task, kind, calls, amount in rows]


def kept(connection: sqlite3.Connection, period: Period) -> Kept:
    """What of the period is on record still, and what never was."""
    between = (period.since_s, period.until_s)
    dropped, lost = connection.execute(statements.DROPPED_BETWEEN, between).fetchone()
    contents, redacted = connection.execute(statements.CONTENT_BETWEEN, between).fetchone()
    feedback = dict(connection.execute(statements.FEEDBACK_BETWEEN, between).fetchall())
    (shadowed,) = connection.execute(statements.SHADOWED_BETWEEN, between).fetchone()
    return Kept(dropped, lost, contents, redacted, shadowed, feedback)


def policies_served(connection: sqlite3.Connection) -> list[ServedPolicy]:
    """In the whole record, the one that came first, first."""
    return [ServedPolicy(*row) for row in connection.execute(statements.POLICIES_SERVED)]


def _bounds(period: Period) -> tuple[float, float, str | None, str | None]:
    return (period.since_s, period.until_s, period.task, period.task)


def _traffic(
    task: str,
    day: int,
    way: Way,
    covered: int,
    requests: int,
    ok: int,
    escalated: int,
    cost: int,
    estimate: int | None,
    expected: float | None,
    drawn: int,
    *ends: float,
) -> Traffic:
    counts = (requests, ok, escalated, usd_of(cost), _usd_or_none(estimate), expected or 0.0, drawn)
    return Traffic(task, day, way, bool(covered), *counts, *ends)


def _top_usd(steps: list[dict[str, Any]], top: str, paid: int | None) -> float | None:
    """Of the answer that was served or would have been: what serving paid for it comes first."""
    for step in steps:
        if step["tier"] == top and step["error"] is None:
            return float(step["cost_usd"])
    return _usd_or_none(paid)


def _usd_or_none(amount: int | None) -> float | None:
    return None if amount is None else usd_of(amount)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
