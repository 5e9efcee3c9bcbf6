"""Graded audits of one task, in time order: what calibrates, raises alarms, and estimates savings."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from routenlp.store.sql import statements
from routenlp.store.sql.audits import TierAnswer
from routenlp.store.sql.money import usd_of


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one answer. What a judge says is never truth: `conformal.predictions` corrects it by gold."""

    gold: float | None
    """By people: their own grades, or the task's metric against their reference; the mean where there are several."""
    judged: float | None


@dataclass(frozen=True, slots=True)
class GradedAudit:
    """One query on which every allowed tier was run."""

    trace_id: str
    at_s: float
    policy: str
    """In force when it was drawn."""
    status: str
    """Of the task's certificate then."""
    propensity: float
    """Of being audited, before the draw."""
    gold_propensity: float | None
    """Of being drawn for a gold label; None where no draw has reached it."""
    group: str
    """Its conversation's; its own id where none is on record."""
    served: str | None
    """The tier whose answer the client got."""
    tiers: tuple[str, ...]
    """That were to be run, cheapest first."""
    answers: Mapping[str, TierAnswer]
    qualities: Mapping[str, Quality]
    estimates: Mapping[str, float]
    """The router's, by tier, where the query was routed."""

    @property
    def whole(self) -> bool:
        """Whether every tier answered and has a grade of the same source."""
        found = [self.qualities.get(tier) for tier in self.tiers]
        every = [q for q in found if q is not None]
        answered = all(tier in self.answers and self.answers[tier].error is None for tier in self.tiers)
        by_one = all(q.gold is not None for q in every) or all(q.judged is not None for q in every)
        return answered and len(every) == len(self.tiers) and by_one


def graded_audits(connection: sqlite3.Connection, task: str, *, since_s: float = 0.0) -> list[GradedAudit]:
    """Of those drawn since a moment. Audits that are missing are in `audits.audit_counts`, and count there."""
    answers: dict[str, dict[str, TierAnswer]] = defaultdict(dict)
    for name, tier, again, model, read, written, cost, latency_s, score, error in connection.execute(
        statements.ANSWERS_OF_GRADED, (task, since_s)
    ):
        answers[name][tier] = TierAnswer(tier, bool(again), read, written, usd_of(cost), latency_s, score, model, error)
    grades: dict[str, dict[str, dict[bool, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for name, tier, source, quality in connection.execute(statements.GRADES_OF_GRADED, (task, since_s)):
        grades[name][tier][source == "judge"].append(quality)
    out = []
    for name, at_s, policy, chance, gold_chance, tiers, served, status, text in connection.execute(
        statements.GRADED_AUDITS, (task, since_s)
    ):
        detail = msgspec.json.decode(text)
        out.append(
            GradedAudit(
                name,
                at_s,
                policy,
                status,
                chance,
                gold_chance,
                detail.get("group") or name,
                served,
                tuple(msgspec.json.decode(tiers)),
                answers[name],
                {tier: Quality(_mean(by[False]), _mean(by[True])) for tier, by in grades[name].items()},
                detail["estimates"],
            )
        )
    return out


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
