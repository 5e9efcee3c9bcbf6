"""The gate: may a candidate be tried on live queries? Decided on the gate fold, which nothing else has looked at.

All of these must hold, and the first two are proved at the level that this turn may spend (`delta`):

1. quality: on every task, E[quality lost] < `margin`. The largest loss that would be put up with, and one that the
   certificates bound from the other side: they promise a share of the top tier's quality.
2. cost: over all tasks together, what is saved is over `least_gain` of always-top's bill.
3. no harm in a part: in no segment is it shown that more than `segment_margin` is lost. A task's mean hides what
   happens to a twentieth of its queries. This one is a veto: it speaks only where harm is evident.
4. coverage: on these rows, which calibration did not see, no certificate of the candidate is contradicted. A veto too.

A task that `losing` names is left as it was before any of that, by rows that the gate does not look at: so one that
loses rejects no other with it, and costs nothing of the gate's delta. The gate decides on those that are left.

That *all* of several tests must pass needs no correction: a candidate that should not pass fails one of them with
probability at least 1 - level, whatever the others say (Berger 1982, intersection-union tests). Each veto is split over
segments or tasks, so that it stops a candidate without a fault with probability at most `veto_level`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.asymptotic import MIN_UNITS, normal_p_values
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.groups import MIN_GROUPS, Units, group_units
from routenlp.conformal.inversion import strongest_claim
from routenlp.conformal.sequential import best, log_evidence
from routenlp.conformal.verdict import Method
from routenlp.errors import DataError
from routenlp.loop.compared import Compared
from routenlp.loop.coverage import Coverage, Promise, coverage
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Bar:
    """What a candidate must clear."""

    margin: float = 0.03
    """Mean quality of a task that may be lost, in quality units."""
    left_from: float | None = None
    """Mean loss, as seen on calibration rows, over which a task is left as it was before the gate looks. None: the
    margin."""
    least_gain: float = 0.005
    """Of always-top's bill, that the candidate must save beyond the policy in force."""
    segment_margin: float = 0.10
    """Mean quality of a segment whose evident loss is a veto."""
    veto_level: float = 0.05
    most_usd: float | None = None
    """A query's cost is counted up to this, which must be known before the gate fold: the largest of the training rows
    with every tier called. None: `COSTS_AT_MOST` times always-top's mean cost."""
    rows_a_group: int = 1
    """Rows of a group that count at most, from the training fold (`conformal.groups.rows_to_take`)."""
    asymptotic: bool = True
    """Whether the normal approximation may decide where there are 250 units; else betting, which is exact."""


COSTS_AT_MOST = 4.0


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One task's quality."""

    task: str
    rows: int
    groups: int
    lost: float | None
    """Mean quality lost, as estimated; under 0: gained. None without a row."""
    lost_at_most: float
    """One-sided bound at the level spent."""
    p_value: float
    """Of: as much as the margin is lost, or more."""
    method: Method
    holds: bool
    rows_needed: int | None
    """How many units a candidate that loses nothing needs to pass; None where it passed, or none would do."""


@dataclass(frozen=True, slots=True)
class SegmentFinding:
    """One segment of a task."""

    task: str
    segment: int
    rows: int
    lost: float
    log_evidence: float
    """ln of the e-value of: more than `segment_margin` is lost."""
    vetoed: bool


@dataclass(frozen=True, slots=True)
class CostFinding:
    """The bill, over all tasks together, as shares of always-top's; each query up to `most_usd`."""

    current: float | None
    candidate: float | None
    gain: float | None
    gain_at_least: float
    """One-sided bound at the level spent."""
    p_value: float
    """Of: the gain is `least_gain`, or less."""
    rows_capped: int
    """Whose cost was counted only up to `most_usd`."""
    method: Method
    holds: bool


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate found, and what it says."""

    passed: bool
    level: float
    """Spent of the gate's delta, whatever the verdict."""
    bar: Bar
    quality: tuple[QualityFinding, ...]
    segments: tuple[SegmentFinding, ...]
    cost: CostFinding
    coverage: tuple[Coverage, ...]
    """Of the tasks whose promises were given: what is measured and shown before anything is served."""
    reasons: tuple[str, ...]
    """In words; what failed first."""

    def evidence(self) -> dict[str, Any]:
        """JSON values only."""
        return {"kind": "gate", **asdict(self)}


def judge(
    tasks: Sequence[Compared],
    bar: Bar,
    *,
    level: float,
    seed: int,
    promises: Mapping[str, Promise] = MappingProxyType({}),
) -> GateVerdict:
    """The verdict on the tasks that the candidate changes. `level`: from `delta.next_level`; `seed` orders the bets;
    `promises`: by task, what the candidate's certificates say.

    Promise: a candidate that loses `margin` or more on a task, or saves no more than `least_gain` over all, passes with
    probability at most `level` over draws of the gate fold.
    """
    if not tasks:
        raise DataError("gate fold", "has no task", "Give the rows of every task that the candidate changes.")
    quality = tuple(_quality(task, bar, level, seed) for task in tasks)
    segments = _segments(tasks, bar, seed)
    cost = _cost(tasks, bar, level, seed)
    covered = tuple(
        coverage(
            task,
            promises[task.task],
            handled_at=promises[task.task].handled_at,
            level=bar.veto_level / len(promises),
        )
        for task in tasks
        if task.task in promises
    )
    failed = [_quality_in_words(f, bar, level) for f in quality if not f.holds]
    failed += [_segment_in_words(f, bar) for f in segments if f.vetoed]
    failed += [_coverage_in_words(c) for c in covered if c.contradicted]
    failed += [] if cost.holds else [_cost_in_words(cost, bar, level)]
    held = (f"No task loses {bar.margin:g} of quality, and {_gained(cost)}: proved at {level:.3g}.",)
    return GateVerdict(not failed, level, bar, quality, segments, cost, covered, tuple(failed) or held)


def losing(tasks: Sequence[Compared], bar: Bar) -> dict[str, float]:
    """By task, the mean quality lost, of those that lose over `bar.left_from` as seen on these rows; none where all do.

    To be asked of rows that are not the gate's: a choice, and no test.
    """
    most = bar.margin if bar.left_from is None else bar.left_from
    found = {task.task: float(task.lost.mean()) for task in tasks if task.n and task.lost.mean() > most}
    return found if len(found) < len(tasks) else {}


def _quality(task: Compared, bar: Bar, level: float, seed: int) -> QualityFinding:
    units = _units(task.groups, bar, seed)
    method = _method(units, bar)

    def p_at(margin: float) -> float:
        return _p_value(units, task.lost - margin, -1.0 - margin, 1.0 - margin, method, level)

    p_value, enough = p_at(bar.margin), _enough(units)
    holds = enough and p_value <= level
    return QualityFinding(
        task.task,
        task.n,
        units.count,
        float(units.sums(task.lost).sum() / len(units.rows)) if task.n else None,
        -strongest_claim(lambda gained: p_at(-gained) <= level, -1.0, 0.999) if enough else 1.0,
        p_value,
        method,
        holds,
        None if holds else _units_needed(units, bar, level),
    )


def rows_lacking(groups: Sequence[str], bar: Bar, *, level: float, seed: int) -> int | None:
    """How many more rows of a task the gate needs to pass a candidate that loses nothing on it: 0, these are enough;
    None, no number would do. `groups`: of the task's gate rows, one by one."""
    units = _units(groups, bar, seed)
    lossless = np.full(units.n, -bar.margin)
    p_value = _p_value(units, lossless, -1.0 - bar.margin, 1.0 - bar.margin, _method(units, bar), level)
    if _enough(units) and p_value <= level:
        return 0
    needed = _units_needed(units, bar, level)
    if needed is None:
        return None
    rows_a_unit = units.n / units.count if units.count else 1.0
    return max(math.ceil((needed - units.count) * rows_a_unit), 1)


def _units_needed(units: Units, bar: Bar, level: float) -> int | None:
    """Of the size that units have here; by betting, which the normal approximation does not beat without a loss."""
    size = len(units.rows) / units.count if units.count else 1.0
    low, high = units.largest * (-1.0 - bar.margin), units.largest * (1.0 - bar.margin)

    def passes(n: int) -> bool:
        return bool(p_values(Bounded(np.full(n, -bar.margin * size), low, high), np.arange(n), level) <= level)

    enough = next((n for n in (64 << k for k in range(12)) if passes(n)), None)
    fewest = MIN_GROUPS if units.grouped else 1
    return None if enough is None else max(bisect_left(range(enough), x=True, lo=1, key=passes), fewest)


def _segments(tasks: Sequence[Compared], bar: Bar, seed: int) -> tuple[SegmentFinding, ...]:
    pieces = [(task, segment) for task in tasks for segment in task.named_segments]
    found = []
    for task, segment in pieces:
        rows = task.rows(task.segments == segment)
        units = _units(rows.groups, bar, seed)
        harmless = units.bounded(bar.segment_margin - rows.lost, bar.segment_margin - 1.0, bar.segment_margin + 1.0)
        path = log_evidence(Bounded(harmless.z[units.order], harmless.low, harmless.high))
        log_e = best(path)
        vetoed = log_e >= math.log(len(pieces) / bar.veto_level)
        found.append(SegmentFinding(task.task, segment, rows.n, float(rows.lost.mean()), log_e, vetoed))
    return tuple(found)


def _cost(tasks: Sequence[Compared], bar: Bar, level: float, seed: int) -> CostFinding:
    """Costs in units of always-top's mean, which only scales: what is proved is about USD."""
    current, candidate, top = (
        np.concatenate([np.asarray(getattr(task, name), dtype=np.float64) for task in tasks])
        for name in ("current_usd", "candidate_usd", "top_usd")
    )
    unit = float(top.mean()) if top.size else 0.0
    if unit <= 0.0:
        raise DataError("gate fold", "has no cost of the top tier", "Give what always-top costs on these rows.")
    cap = COSTS_AT_MOST if bar.most_usd is None else bar.most_usd / unit
    capped = np.minimum(np.stack([current, candidate, top]) / unit, cap)
    saved, top_capped = capped[0] - capped[1], capped[2]
    groups = [f"{task.task}\0{group}" for task in tasks for group in task.groups]
    units = _units(groups, bar, seed)
    method = _method(units, bar)

    def p_at(gain: float) -> float:
        # Wide enough for any gain in [-1, 1]; what is lost at most bounds the stakes.
        z = gain * top_capped - saved
        return _p_value(units, z, -cap * (1.0 + max(-gain, 0.0)), cap * (1.0 + max(gain, 0.0)), method, level)

    p_value, enough = p_at(bar.least_gain), _enough(units)
    totals = units.sums(capped).sum(axis=1)
    shares = totals / totals[2]
    return CostFinding(
        float(shares[0]),
        float(shares[1]),
        float(shares[0] - shares[1]),
        strongest_claim(lambda gain: p_at(gain) <= level, -1.0, 1.0) if enough else -1.0,
        p_value,
        int((np.stack([current, candidate, top]) / unit > cap).any(axis=0).sum()),
        method,
        enough and p_value <= level,
    )


def _units(groups: Sequence[str], bar: Bar, seed: int) -> Units:
    return group_units(groups, seed=seed, rows_a_group=bar.rows_a_group)


def _method(units: Units, bar: Bar) -> Method:
    return Method.NORMAL if bar.asymptotic and units.count >= MIN_UNITS else Method.BETTING


def _enough(units: Units) -> bool:
    """So few groups may have missed a whole kind of group."""
    return not units.grouped or units.count >= MIN_GROUPS


def _p_value(
    units: Units, z: FloatArray | NDArray[np.float64], low: float, high: float, method: Method, level: float
) -> float:
    sample = units.bounded(z, low, high)
    found = normal_p_values(sample) if method is Method.NORMAL else p_values(sample, units.order, level)
    return float(found)


def _quality_in_words(f: QualityFinding, bar: Bar, level: float) -> str:
    seen = "no row" if f.lost is None else f"{f.lost:+.4f} seen on {f.rows} rows, up to {f.lost_at_most:.4f} possible"
    more = f"; a candidate that loses nothing needs {f.rows_needed} units" if f.rows_needed else ""
    return f"Task {f.task}: not shown to lose less than {bar.margin:g} of quality at {level:.3g} ({seen}){more}."


def _segment_in_words(f: SegmentFinding, bar: Bar) -> str:
    return (
        f"Task {f.task}, segment {f.segment}: loses {f.lost:.3f} of quality on {f.rows} rows, "
        f"evidently more than {bar.segment_margin:g}."
    )


def _coverage_in_words(c: Coverage) -> str:
    kept = (
        "no quality at the top" if c.quality_ratio is None else f"{c.quality_ratio:.3f} of the top tier's quality kept"
    )
    rule = "" if c.promise is None else f" {c.promise.rule} at {c.promise.target:g}"
    return f"Task {c.task}: the gate's rows contradict the certificate's{rule} ({kept})."


def _cost_in_words(cost: CostFinding, bar: Bar, level: float) -> str:
    return f"Not shown to save over {bar.least_gain:g} of always-top's bill at {level:.3g}: {_gained(cost)}."


def _gained(cost: CostFinding) -> str:
    return f"the bill goes from {cost.current:.3f} to {cost.candidate:.3f}, a gain of at least {cost.gain_at_least:.4f}"
