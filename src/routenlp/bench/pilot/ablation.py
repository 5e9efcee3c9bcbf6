"""The same traffic under other ways of keeping thresholds up to date: never, by the paper's rule, and by ACI.

All serve with the first tiers and replay the same answers. A rule that learns on the way looks at a random share of the
counted queries, on which it runs every tier and pays for it, as audits are paid for here; people label them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.answers import AnswerBook, Moment
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S, HOUR_S, Arrivals
from routenlp.conformal.adaptive import Adaptive, threshold_at
from routenlp.conformal.paper import paper_threshold
from routenlp.drift.recalibration import PaperSchedule, Standing, due
from routenlp.types import FloatArray

AUDIT_RATE = 0.02
WINDOW = PaperSchedule().newest


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Every tier's answers to every item at a moment; arrays of shape (items, tiers), NaN where a tier has none."""

    score: FloatArray
    quality: FloatArray
    cost_usd: FloatArray
    latency_s: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One labelled query: shape (cheap tiers,)."""

    score: FloatArray
    right: NDArray[np.bool_]


class Rule(Protocol):
    """Keeps the thresholds of one task."""

    def limits(self) -> FloatArray:
        """Of each cheap tier; NaN accepts nothing."""

    def see(self, seen: Seen) -> None:
        """One more labelled query."""

    def pass_time(self, now_s: float) -> None:
        """An hour is over."""


@dataclass(slots=True)
class PaperRule:
    """Every 48 hours, or when coverage is 5 points under what it was, on the newest 2,000."""

    alphas: Sequence[float]
    window: deque[Seen]
    since_s: float
    schedule: PaperSchedule = field(default_factory=PaperSchedule)
    recalibrated: int = 0
    _limits: FloatArray = field(default_factory=lambda: np.empty(0))
    _coverage: float | None = None
    """At the last calibration."""
    _now: float | None = None
    _fresh: bool = True
    """Whether a label came since coverage was looked at."""

    def limits(self) -> FloatArray:
        """Those of the last calibration."""
        if not len(self._limits):
            self._calibrate()
        return self._limits

    def see(self, seen: Seen) -> None:
        """Joins the rolling window."""
        self.window.append(seen)
        self._fresh = True

    def pass_time(self, now_s: float) -> None:
        """Recalibrates where it is due."""
        limits = self.limits()
        if self._fresh:
            self._now, self._fresh = self._covered(limits), False
        standing = Standing(since_s=now_s - self.since_s, coverage_then=self._coverage, coverage_now=self._now)
        if due(standing, self.schedule) is not None:
            self.since_s = now_s
            self.recalibrated += 1
            self._calibrate()

    def _calibrate(self) -> None:
        found = [
            paper_threshold(
                np.array([s.score[k] for s in self.window]), np.array([s.right[k] for s in self.window]), alpha
            ).threshold
            for k, alpha in enumerate(self.alphas)
        ]
        self._limits = np.array([np.nan if limit is None else limit for limit in found])
        self._coverage = self._now = self._covered(self._limits)

    def _covered(self, limits: FloatArray) -> float | None:
        """Of the right answers of the first tier, the share that is accepted."""
        right = [s.score[0] <= limits[0] for s in self.window if s.right[0]]
        return float(np.mean(right)) if right else None


@dataclass(slots=True)
class AciRule:
    """A level for each cheap tier, moved by each right answer."""

    alphas: Sequence[float]
    right: tuple[deque[float], ...]
    _levels: list[float] = field(default_factory=list)
    _limits: FloatArray | None = None

    def __post_init__(self) -> None:
        self._levels = list(self.alphas)

    def limits(self) -> FloatArray:
        """At the levels of now, on the newest right answers."""
        if self._limits is None:
            found = [threshold_at(a, np.array(scores)) for a, scores in zip(self._levels, self.right, strict=True)]
            self._limits = np.array([np.nan if limit is None else limit for limit in found])
        return self._limits

    def see(self, seen: Seen) -> None:
        """Moves the levels."""
        limits = self.limits()
        for k, alpha in enumerate(self.alphas):
            if seen.right[k] and np.isfinite(seen.score[k]) and 0.0 < alpha < 1.0:
                escalated = not seen.score[k] <= limits[k]
                self._levels[k] = Adaptive(alpha).see(self._levels[k], escalated=bool(escalated))
                self.right[k].append(float(seen.score[k]))
        self._limits = None

    def pass_time(self, now_s: float) -> None:
        """Time is nothing to it."""


@dataclass(frozen=True, slots=True, eq=False)
class ArmServed:
    """What an arm did with all arrivals, in their order; shape (queries,)."""

    name: str
    cost_usd: FloatArray
    quality: FloatArray
    latency_s: FloatArray
    final: NDArray[np.int64]
    audit_usd: FloatArray
    """By query, what running the other tiers on it cost."""


def columns(book: AnswerBook, models: Mapping[str, Mapping[str, str]], moment: Moment) -> Columns:
    """`models`: fingerprints by tier and task."""
    tiers, items = book.portfolio.names, book.catalogue.items
    found = np.full((4, len(items), len(tiers)), np.nan)
    for k, tier in enumerate(tiers):
        for i, item in enumerate(items):
            mark = models.get(tier, {}).get(item.task, "")
            if tier != tiers[-1] and not book.knows(tier, item.task, mark):
                continue
            answer = book.answer(tier, i, mark, moment)
            probs = answer.token_probs
            found[0, i, k] = np.nan if not probs else 1.0 - sum(probs) / len(probs)
            found[1, i, k] = book.quality(i, answer.text)
            found[2, i, k], found[3, i, k] = answer.cost_usd, answer.latency_s
    return Columns(*found)


def run_arm(
    name: str,
    rules: Mapping[str, Rule],
    book: AnswerBook,
    days: Sequence[tuple[Arrivals, Columns]],
    *,
    seed: int,
) -> ArmServed:
    """`rules`: by task; one without a rule is answered by the top tier. `days`: with the columns of their moments."""
    rng = np.random.default_rng([seed, 11])
    task_of = np.array([item.task for item in book.catalogue.items])
    counted = np.array([item.counted for item in book.catalogue.items])
    handled = {task: book.settings.tasks[task].handled_at for task in rules}
    parts: list[tuple[FloatArray, ...]] = []
    for day, (arrivals, seen) in enumerate(days):
        for hour in range(24):
            since_s = BEGIN_S + day * DAY_S + hour * HOUR_S
            items = arrivals.between(since_s, since_s + HOUR_S).item
            drawn = (rng.random(len(items)) < AUDIT_RATE) & counted[items]
            parts.append(_hour(rules, seen, items, task_of[items], drawn))
            for i in items[drawn]:
                task = str(task_of[i])
                if task in rules:
                    rules[task].see(Seen(seen.score[i, :-1], seen.quality[i, :-1] >= handled[task]))
            for rule in rules.values():
                rule.pass_time(since_s + HOUR_S)
    cost, quality, latency, final, audits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ArmServed(name, cost, quality, latency, final.astype(np.int64), audits)


def _hour(
    rules: Mapping[str, Rule],
    seen: Columns,
    items: NDArray[np.int64],
    tasks: NDArray[np.str_],
    drawn: NDArray[np.bool_],
) -> tuple[FloatArray, ...]:
    n, k = len(items), seen.score.shape[1]
    accepts = np.zeros((n, k), dtype=np.bool_)
    accepts[:, -1] = True
    first = np.full(n, k - 1)
    for task, rule in rules.items():
        mine = tasks == task
        limits = rule.limits()
        with np.errstate(invalid="ignore"):
            accepts[mine, :-1] = seen.score[items[mine], :-1] <= limits
        known = np.flatnonzero(~np.isnan(limits))
        first[mine] = known[0] if len(known) else k - 1
    final = accepts.argmax(axis=1)
    position = np.arange(k)
    called = (position >= first[:, None]) & (position <= final[:, None])
    rows, ruled = np.arange(n), np.isin(tasks, list(rules))
    cost = np.where(called, np.nan_to_num(seen.cost_usd[items]), 0.0).sum(axis=1)
    latency = np.where(called, np.nan_to_num(seen.latency_s[items]), 0.0).sum(axis=1)
    rest = np.where(called, 0.0, np.nan_to_num(seen.cost_usd[items])).sum(axis=1)
    return cost, seen.quality[items, final], latency, final.astype(np.float64), np.where(drawn & ruled, rest, 0.0)[rows]


def first_window(score: FloatArray, right: NDArray[np.bool_]) -> deque[Seen]:
    """What the paper's rule begins with: calibration rows, shape (n, tiers)."""
    return deque((Seen(score[i, :-1], right[i, :-1]) for i in range(len(score))), maxlen=WINDOW)


def first_scores(score: FloatArray, right: NDArray[np.bool_]) -> tuple[deque[float], ...]:
    """What ACI begins with."""
    return tuple(
        deque(score[right[:, k] & np.isfinite(score[:, k]), k].tolist(), maxlen=WINDOW)
        for k in range(score.shape[1] - 1)
    )
