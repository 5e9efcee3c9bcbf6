"""Choosing the paper's thresholds on calibration rows: its rule at one alpha, or swept for the least cost.

The sweep gives an EMPIRICAL point: the cheapest thresholds whose quality ratio *on the calibration rows* reaches the
target. Being the best of many settings on these rows, it tends to fall a little short on new ones; nothing is proved.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.conformal.paper import PaperThreshold, paper_threshold
from routenlp.errors import DataError, FoldOverlap
from routenlp.replay.cascade import Replayed, replay
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded
from routenlp.types import CalibrationFold, FloatArray

ALPHAS = tuple(float(a) for a in np.unique(np.round(np.concatenate([np.geomspace(0.005, 1.0, 60), [0.05]]), 4)))
"""Swept values; 1.0 accepts nothing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One task's thresholds. Queries begin at the cheapest tier; where no tier accepts anything, at the top one."""

    thresholds: tuple[PaperThreshold, ...]
    """One a cheap tier, cheapest first."""
    quality_ratio: float
    """On the rows that they were chosen on."""
    cost_ratio: float
    """On the same rows."""

    @property
    def always_top(self) -> bool:
        """Whether no cheap tier accepts anything."""
        return all(t.threshold is None for t in self.thresholds)


def checked(fold: CalibrationFold, recorded: Recorded, *, trained_on: Collection[str]) -> Recorded:
    """`recorded`, if it holds exactly the rows of `fold`; nothing is ever calibrated on other rows.

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
    return recorded


def published(recorded: Recorded, alpha: float) -> Setting:
    """The paper's rule at one `alpha` for every cheap tier."""
    return _measure(recorded, tuple(_threshold(recorded, k, alpha) for k in range(len(recorded.tiers) - 1)))


def cheapest(recorded: Recorded, target: float) -> Setting:
    """The least cost over every combination of swept alphas with quality ratio >= `target`.

    Always-top has a ratio of 1 and is always among the candidates, so there is always an answer.
    """
    options = [_distinct(recorded, k) for k in range(len(recorded.tiers) - 1)]
    best = _measure(recorded, tuple(option[-1] for option in options))
    if not options:
        return best
    *earlier, last = options
    for prefix in itertools.product(*earlier):
        quality, cost = _last_tier_curves(recorded, prefix, last)
        cost = np.where(quality >= target, cost, np.inf)
        i = int(cost.argmin())
        if cost[i] < best.cost_ratio - 1e-12:
            best = Setting((*prefix, last[i]), float(quality[i]), float(cost[i]))
    return best


def climb(recorded: Recorded, limits: FloatArray) -> Replayed:
    """Every row from the cheapest tier up; where `limits` (`limits_of`) has no threshold at all, at the top tier."""
    first = len(recorded.tiers) - 1 if np.isnan(limits).all() else 0
    return replay(recorded, np.full(recorded.n, first), limits)


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
    recorded: Recorded, prefix: tuple[PaperThreshold, ...], last: list[PaperThreshold]
) -> tuple[FloatArray, FloatArray]:
    """Quality and cost ratio for every threshold in `last` of the dearest cheap tier, given those of the tiers before.

    One replay in which that tier never accepts; then, in the order of its scores, each accepted row trades the top's
    quality for the tier's own and saves the top's price.
    """
    k = len(recorded.tiers) - 2
    never = replay(recorded, np.zeros(recorded.n, dtype=np.int64), np.array([*limits_of(prefix), np.nan]))
    reaches = never.final > k
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


def _measure(recorded: Recorded, thresholds: tuple[PaperThreshold, ...]) -> Setting:
    done = climb(recorded, limits_of(thresholds))
    quality = float(done.quality.sum() / recorded.quality[:, -1].sum())
    return Setting(thresholds, quality, float(done.cost_usd.sum() / recorded.cost_usd[:, -1].sum()))
