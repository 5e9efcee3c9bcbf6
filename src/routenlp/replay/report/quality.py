"""Quality of one task against its promise, on audits: the answers given beside the top tier's to the same requests.

Every audit stands for 1 / propensity requests, so that days on which more were drawn do not count more. Conversations,
not requests, are drawn for the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routenlp.conformal.binomial import lower_bound, upper_bound
from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.intervals import UNKNOWN, Interval, RowRatio, paired_bootstrap
from routenlp.replay.report.usable import Graded, Sorted, sort_audits
from routenlp.store.sql.reported import ReportedAudit
from routenlp.types import FloatArray

TAIL = 0.025


class Kept(StrEnum):
    """How the audits of the period stand to the promise. An audit of the past is no proof of the future."""

    YES = "kept"
    NO = "missed"
    OPEN = "not shown either way"
    UNKNOWN = "unknown"
    NO_TARGET = "no target known"


@dataclass(frozen=True, slots=True)
class Promise:
    """What a task promises."""

    guarantee: str
    target: float
    """eps of `quality_ratio`, alpha of the others."""
    handled_at: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a figure would lie at worst and at best, whatever the audits without a grade would have said."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TaskQuality:
    """One task over the period. What is not known is None, or an interval without bounds."""

    task: str
    drawn: int
    graded: int
    gold: int
    groups: int
    """Conversations among the graded."""
    ratio: Interval
    """Quality of the answers given over that of always-top."""
    failed_given_accepted: Interval
    """Of the answers of cheap tiers, the share that failed."""
    accepted_and_failed: Interval
    """Of all requests, the share that a cheap tier answered, and failed."""
    accepted: int
    """Graded audits that a cheap tier answered."""
    left_out: Mapping[str, int]
    """Drawn, and without a grade that counts: how many, by why."""
    with_left_out: Bounds | None
    """The quality ratio, were these all as bad, or as good, as can be; None without graded audits."""
    by_judge: Interval
    """The quality ratio on audits that a judge alone graded: what the judge says, not what is so."""
    judged: int
    kept: Kept


def task_quality(task: str, audits: Sequence[ReportedAudit], promise: Promise | None, *, seed: int) -> TaskQuality:
    """`audits`: of this task. `promise`: None where it is not known; then failure is a quality under 1."""
    found = sort_audits(audits, promise.handled_at if promise is not None else 1.0)
    graded = found.graded
    ratio = quality_ratio(graded, seed=seed)
    cheap = np.array([audit.served != audit.top for audit in graded.audits], dtype=bool)
    given = share_failed(graded, cheap, seed=seed)
    both = share_failed(graded, None, seed=seed)
    return TaskQuality(
        task,
        len(audits),
        len(graded.audits),
        graded.gold,
        len(set(graded.groups)),
        ratio,
        given,
        both,
        int(cheap.sum()),
        found.reasons(),
        _at_worst(found),
        quality_ratio(found.judged, seed=seed),
        len(found.judged.audits),
        _kept(promise, ratio, given, both),
    )


def quality_ratio(rows: Graded, *, seed: int) -> Interval:
    """Sum over sum, each row by its weight; without bounds under `MIN_GROUPS` conversations."""
    if not len(rows.audits):
        return UNKNOWN
    return _ratio(rows, rows.served, rows.top, seed)


def share_failed(rows: Graded, among: np.ndarray | None, *, seed: int) -> Interval:
    """Of the rows `among`, which a cheap tier answered, the share that failed; None: of all rows.

    Where people graded all, the interval is exact for as many independent rows as the weights and conversations are
    worth: of no failure at all no bootstrap could say how many there might be.
    """
    cheap = np.array([audit.served != audit.top for audit in rows.audits], dtype=bool)
    base = np.ones(len(cheap)) if among is None else among.astype(np.float64)
    if not base.sum():
        return UNKNOWN
    failed = rows.failed * cheap
    if rows.gold < len(rows.audits):
        return _ratio(rows, failed * base, base, seed)
    weight = rows.weight * base
    return _exact(float((weight * failed).sum() / weight.sum()), _worth(weight, rows.groups))


def _ratio(rows: Graded, numerators: FloatArray, denominators: FloatArray, seed: int) -> Interval:
    parts = {"": RowRatio(numerators * rows.weight, denominators * rows.weight)}
    found = paired_bootstrap(parts, rows.groups, seed=seed).interval("")
    return found if len(set(rows.groups)) >= MIN_GROUPS else Interval(found.estimate, None, None)


def _worth(weight: FloatArray, groups: Sequence[str]) -> int:
    """Independent rows that say no more than these: (sum of w)^2 / sum of w^2 over conversations (Kish 1965)."""
    names = sorted(set(groups))
    number = {name: i for i, name in enumerate(names)}
    sums = np.bincount([number[group] for group in groups], weights=weight, minlength=len(names))
    return max(1, math.floor(float(sums.sum()) ** 2 / float(sums @ sums) + 1e-9))


def _exact(share: float, n: int) -> Interval:
    """Clopper and Pearson's interval at a count that need not be whole: rounded to the side that says less."""
    count = share * n
    low = lower_bound(math.floor(count + 1e-9), n, TAIL)
    return Interval(share, low, upper_bound(math.ceil(count - 1e-9), n, TAIL))


def _at_worst(found: Sorted) -> Bounds | None:
    """A missing cheap answer at worst is worth nothing beside a perfect top answer, at best the other way round. Where
    the top tier answered, both are one answer, which at either end counts nothing."""
    graded = found.graded
    total = float((graded.weight * graded.top).sum())
    if not len(graded.audits) or total <= 0.0:
        return None
    given = float((graded.weight * graded.served).sum())
    missing = sum(1.0 / audit.propensity for audit, _ in found.left_out if audit.served != audit.top)
    return Bounds(given / (total + missing), (given + missing) / total)


def _kept(promise: Promise | None, ratio: Interval, given: Interval, both: Interval) -> Kept:
    if promise is None:
        return Kept.NO_TARGET
    if promise.guarantee == "quality_ratio":
        return _beside(ratio.low, ratio.high, 1.0 - promise.target, above=True)
    found = {"joint": both, "conditional": given}.get(promise.guarantee)
    return Kept.UNKNOWN if found is None else _beside(found.low, found.high, promise.target, above=False)


def _beside(low: float | None, high: float | None, target: float, *, above: bool) -> Kept:
    if low is None or high is None:
        return Kept.UNKNOWN
    if (low >= target) if above else (high <= target):
        return Kept.YES
    return Kept.NO if (high < target if above else low > target) else Kept.OPEN
