"""Choosing cut-offs and thresholds on calibration rows: the paper's rule at one alpha, or swept for the least cost.

The sweep gives an EMPIRICAL point: the cheapest setting whose quality ratio *on the calibration rows* reaches the
target. Being the best of many settings on these rows, it tends to fall a little short on new ones; nothing is proved.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.paper import PaperThreshold, paper_threshold
from routenlp.errors import DataError, FoldOverlap
from routenlp.replay.cascade import replay
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded
from routenlp.router.pre_router import first_positions
from routenlp.types import CalibrationFold, FloatArray

ALPHAS = tuple(float(a) for a in np.unique(np.round(np.concatenate([np.geomspace(0.005, 1.0, 60), [0.05]]), 4)))
"""Swept values; 1.0 accepts nothing."""
CUTOFFS = 24
"""Swept cut-offs of the router per cheap tier: quantiles of its estimates."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One task's operating point. `cutoff` None: every query begins at the top tier."""

    cutoff: float | None
    thresholds: tuple[PaperThreshold, ...]
    """One a cheap tier, cheapest first."""
    quality_ratio: float
    """On the calibration rows."""
    cost_ratio: float
    """On the calibration rows."""


@dataclass(frozen=True, slots=True)
class CalibrationRows:
    """What every tier answered on the calibration fold, and what the router had expected."""

    recorded: Recorded
    estimates: FloatArray
    """Shape (n, tiers)."""


def calibration_rows(
    fold: CalibrationFold, recorded: Recorded, estimates: FloatArray, *, trained_on: Collection[str]
) -> CalibrationRows:
    """Check that `recorded` holds exactly the rows of `fold`; thresholds are never chosen on other rows.

    `trained_on`: `folds.row_hash` of every row that any fit saw. Raises `FoldOverlap` when one of them is here too:
    models judge rows that they were fitted on too kindly.
    """
    if not isinstance(fold, CalibrationFold):
        raise DataError(f"task {fold.task!r}", f"was given a {type(fold).__name__}", "Calibrate on a CalibrationFold.")
    for example in fold.examples:
        if row_hash(example) in trained_on:
            raise FoldOverlap(
                f"task {fold.task!r}", f"row {example.query.id!r} was trained on", "Calibrate on rows that no fit saw."
            )
    if recorded.ids != tuple(e.query.id for e in fold.examples):
        raise DataError(f"task {fold.task!r}", "has answers to other rows", "Answer every row of the fold, in order.")
    return CalibrationRows(recorded, estimates)


def published(rows: CalibrationRows, cutoff: float | None, alpha: float) -> Setting:
    """The paper's rule at one `alpha` for every cheap tier, behind a router with `cutoff`."""
    thresholds = tuple(_threshold(rows.recorded, k, alpha) for k in range(len(rows.recorded.tiers) - 1))
    return _measure(rows, cutoff, thresholds)


def cheapest(rows: CalibrationRows, cutoffs: Sequence[float | None], target: float) -> Setting:
    """The least cost over `cutoffs` and every combination of swept alphas with quality ratio >= `target`.

    Always-top has a ratio of 1 and is always among the candidates, so there is always an answer.
    """
    recorded = rows.recorded
    options = [_distinct(recorded, k) for k in range(len(recorded.tiers) - 1)]
    best = _measure(rows, None, tuple(option[-1] for option in options))
    if not options:
        return best
    *earlier, last = options
    for cutoff in cutoffs:
        first = first_positions(rows.estimates, cutoff)
        for prefix in itertools.product(*earlier):
            quality, cost = _last_tier_curves(recorded, first, prefix, last)
            cost = np.where(quality >= target, cost, np.inf)
            i = int(cost.argmin())
            if cost[i] < best.cost_ratio - 1e-12:
                best = Setting(cutoff, (*prefix, last[i]), float(quality[i]), float(cost[i]))
    return best


def cheapest_route_only(rows: CalibrationRows, target: float) -> Setting:
    """The least cost of the router alone (its first answer is final) with quality ratio >= `target`."""
    recorded = rows.recorded
    best = Setting(None, (), 1.0, 1.0)
    for cutoff in candidate_cutoffs(rows):
        first = first_positions(rows.estimates, cutoff)
        at = np.arange(recorded.n), first
        quality = float(recorded.quality[at].sum() / recorded.quality[:, -1].sum())
        cost = float(recorded.cost_usd[at].sum() / recorded.cost_usd[:, -1].sum())
        if quality >= target and cost < best.cost_ratio:
            best = Setting(cutoff, (), quality, cost)
    return best


def candidate_cutoffs(rows: CalibrationRows) -> list[float | None]:
    """Quantiles of the estimates of the cheap tiers, 0 (everything begins at the cheapest), and none (at the top)."""
    cheap = rows.estimates[:, :-1]
    if cheap.size == 0:
        return [None]
    grid = np.quantile(cheap, np.linspace(0.0, 1.0, CUTOFFS * cheap.shape[1]), method="nearest")
    return [None, 0.0, *(float(c) for c in np.unique(grid))]


def _threshold(recorded: Recorded, k: int, alpha: float) -> PaperThreshold:
    return paper_threshold(recorded.score[:, k], recorded.handled[:, k], alpha)


def _distinct(recorded: Recorded, k: int) -> list[PaperThreshold]:
    """Thresholds of the swept alphas, boldest first, without repetitions; the last accepts nothing."""
    found: dict[float | None, PaperThreshold] = {}
    for alpha in ALPHAS:
        option = _threshold(recorded, k, alpha)
        found.setdefault(option.threshold, option)
    bold_first = sorted((o for o in found.values() if o.threshold is not None), key=lambda o: -(o.threshold or 0.0))
    return [*bold_first, _threshold(recorded, k, 1.0)]


def _last_tier_curves(
    recorded: Recorded,
    first: NDArray[np.int64],
    prefix: tuple[PaperThreshold, ...],
    last: list[PaperThreshold],
) -> tuple[FloatArray, FloatArray]:
    """Quality and cost ratio for every threshold in `last` of the dearest cheap tier, given those of the tiers before.

    One replay in which that tier never accepts; then, in the order of its scores, each accepted row trades the top's
    quality for the tier's own and saves the top's price.
    """
    k = len(recorded.tiers) - 2
    never = replay(recorded, first, np.array([*limits_of(prefix), np.nan]))
    reaches = (never.final > k) & (first <= k)
    order = np.argsort(recorded.score[:, k], kind="stable")
    limits = limits_of(last)[:-1]
    accepted = np.searchsorted(recorded.score[order, k], np.where(np.isnan(limits), -np.inf, limits), side="right")
    gain = np.where(reaches, recorded.quality[:, k] - recorded.quality[:, -1], 0.0)[order]
    saved = np.where(reaches, recorded.cost_usd[:, -1], 0.0)[order]
    quality = never.quality.sum() + np.concatenate([[0.0], gain.cumsum()])[accepted]
    cost = never.cost_usd.sum() - np.concatenate([[0.0], saved.cumsum()])[accepted]
    return quality / recorded.quality[:, -1].sum(), cost / recorded.cost_usd[:, -1].sum()


def limits_of(thresholds: Sequence[PaperThreshold]) -> FloatArray:
    """Shape (tiers,): NaN where absent, and for the top tier, which needs none."""
    cheap = [float("nan") if t.threshold is None else t.threshold for t in thresholds]
    return np.array([*cheap, np.nan])


def _measure(rows: CalibrationRows, cutoff: float | None, thresholds: tuple[PaperThreshold, ...]) -> Setting:
    recorded = rows.recorded
    done = replay(recorded, first_positions(rows.estimates, cutoff), limits_of(thresholds))
    quality = float(done.quality.sum() / recorded.quality[:, -1].sum())
    return Setting(cutoff, thresholds, quality, float(done.cost_usd.sum() / recorded.cost_usd[:, -1].sum()))
