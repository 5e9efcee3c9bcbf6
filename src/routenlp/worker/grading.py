"""Grades audits whose answers are all there: by the task's metric where a person gave a reference, and by a judge.

Where there is a judge it grades what people have graded too: how far it is off can be learned nowhere else.
A judge sees the request, so it stays behind the task's wall too. One that is kin to some of the tiers it would grade is
refused unless the settings say `same_family: warn`; then its grades are marked. What cannot be graded waits for gold.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from routenlp.errors import BackendError
from routenlp.grading.judge import (
    RUBRIC,
    PairGrades,
    both_orders,
    favours,
    judge_messages,
    mean_grades,
    read_grades,
)
from routenlp.grading.metrics import METRICS
from routenlp.store.sql import audits
from routenlp.store.sql.audits import TRIES, Audit, Grade
from routenlp.worker.audits import AGAIN_S, Tiers

_LOG = logging.getLogger("routenlp.worker")
LATER_S = 3_600.0
"""Until an audit that nobody can grade is looked at again."""

UNREADABLE_TRIES = 3
"""Times that a judge may answer without grades: asking again costs as much as the first time, and helps less."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who grades what no metric can."""

    tier: str
    model: str
    rubric: str = RUBRIC
    despite_kin: bool = False
    """Whether it may grade answers of its own family."""


@dataclass(frozen=True, slots=True)
class Graded:
    """What became of the audits that were taken."""

    by_metric: int = 0
    by_judge: int = 0
    waiting: int = 0
    """For a person: no metric and no judge can grade them."""
    failed: int = 0
    """Of the judge, to be tried again."""


class _NoGrades(Exception):
    """The judge gave no grades; the text says why, without what it said."""


@dataclass(frozen=True, slots=True, eq=False)
class Grader:
    """Of one worker."""

    connection: sqlite3.Connection
    tiers: Tiers
    metrics: Mapping[str, str]
    """By task, how its settings say that it is graded."""
    models: Mapping[str, str]
    """By tier, what it runs."""
    allowed: Callable[[str], tuple[str, ...]]
    judge: Judge | None
    budget_usd: float
    """A day of UTC, with the audits' own cost."""
    clock: Callable[[], float]
    name: str

    async def run(self, most: int) -> Graded:
        """Up to `most` audits."""
        counts = dict.fromkeys(("metric", "judge", "waiting", "failed"), 0)
        for audit in audits.claim(self.connection, "answered", self.name, now_s=self.clock(), most=most):
            counts[await self._one(audit)] += 1
        return Graded(counts["metric"], counts["judge"], counts["waiting"], counts["failed"])

    async def _one(self, audit: Audit) -> str:
        by_metric, now_s = self.by_metric(audit), self.clock()
        has_gold = audits.people_graded(self.connection, audit.trace_id, by_metric)
        judge = self._judge_for(audit)
        if judge is None and has_gold:
            audits.put_grades(self.connection, audit, by_metric, now_s=now_s, state="graded")
            return "metric"
        if by_metric:
            audits.put_grades(self.connection, audit, by_metric, now_s=now_s)
        if judge is None or audits.spent_usd(self.connection, now_s) >= self.budget_usd:
            audits.free(self.connection, audit, again_s=now_s + LATER_S)
            return "waiting"
        return await self._judged(audit, judge, has_gold=has_gold)

    def by_metric(self, audit: Audit) -> list[Grade]:
        """Grades against a person's reference; none where there is no reference, or no metric."""
        reference = audits.gold_of(self.connection, audit.trace_id)
        return [] if reference is None else against_reference(reference, audit, self.metrics)

    def _judge_for(self, audit: Audit) -> Judge | None:
        """None where no judge may grade this audit."""
        judge = self.judge
        if judge is None or judge.tier not in self.allowed(audit.task) or audit.request is None:
            return None
        kin = favours(judge.model, [self.models[tier] for tier in audit.tiers if tier in self.models])
        if not kin:
            return judge
        if not judge.despite_kin:
            _LOG.warning("the judge %s is kin to %s and is refused: it would favour them", judge.model, ", ".join(kin))
            return None
        _LOG.warning("the judge %s is kin to %s: its grades need gold labels more", judge.model, ", ".join(kin))
        return judge

    async def _judged(self, audit: Audit, judge: Judge, *, has_gold: bool) -> str:
        graded = [tier for tier in audit.tiers if tier in audit.answers]
        best, pairs, spent = graded[-1], [], _Spent()
        try:
            for tier in graded[:-1]:
                pairs.append((tier, best, await self._pair(audit, judge, tier, best, spent)))
        except (BackendError, _NoGrades) as error:
            _LOG.warning("audit %s is not judged: %s", audit.trace_id, type(error).__name__)
            most = UNREADABLE_TRIES if isinstance(error, _NoGrades) else TRIES
            given_up, now_s = audit.tries >= most, self.clock()
            at_last: audits.State = "graded" if has_gold else "missing"
            audits.put_grades(
                self.connection,
                audit,
                [],
                now_s=now_s,
                state=at_last if given_up else "answered",
                reason=f"judge_failed: {_word(error)}" if given_up and not has_gold else None,
                calls=spent.calls,
                cost_usd=spent.usd,
                again_s=None if given_up else now_s + AGAIN_S * 4.0**audit.tries,
            )
            return "failed"
        kin = favours(judge.model, [self.models[tier] for tier in graded if tier in self.models])
        detail = {"disagreed": sum(grades.disagreed for *_, grades in pairs), "pairs": len(pairs), "kin": list(kin)}
        grades = [Grade(tier, "judge", judge.model, q, detail) for tier, q in mean_grades(pairs).items()]
        audits.put_grades(
            self.connection,
            audit,
            grades,
            now_s=self.clock(),
            state="graded",
            calls=spent.calls,
            cost_usd=spent.usd,
        )
        return "judge"

    async def _pair(self, audit: Audit, judge: Judge, a: str, b: str, spent: _Spent) -> PairGrades:
        asked = msgspec.json.encode((audit.request or {}).get("messages", [])).decode()
        found = []
        for first, second in ((a, b), (b, a)):
            messages = judge_messages(asked, audit.answers[first], audit.answers[second], judge.rubric)
            # Nothing but messages: some models refuse a temperature, others a limit of tokens.
            reply = await self.tiers.ask(judge.tier, audit.task, {"messages": messages})
            spent.add(reply.answer.cost_usd)
            grades = read_grades(reply.answer.text)
            if grades is None:
                raise _NoGrades("unreadable")
            found.append(grades)
        return both_orders(found[0], found[1])


def against_reference(reference: str, audit: Audit, metrics: Mapping[str, str]) -> list[Grade]:
    """Of every tier's answer, by the task's metric; none where it has no metric. `metrics`: by task."""
    metric = METRICS.get(metrics.get(audit.task, "none"))
    if metric is None:
        return []
    return [
        Grade(tier, "metric", metric.name, metric.quality(text, reference))
        for tier, text in audit.answers.items()
        if tier in audit.tiers
    ]


class _Spent:
    """What judging one audit has cost so far."""

    def __init__(self) -> None:
        self.calls, self.usd = 0, 0.0

    def add(self, usd: float) -> None:
        self.calls += 1
        self.usd += usd


def _word(error: Exception) -> str:
    return str(error) if isinstance(error, _NoGrades) else str(getattr(error, "kind", type(error).__name__))
