"""Threshold policies over recorded answers: which rows each answers cheaply, and what that does to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.calibrate import CalibrationRows, cheapest, limits_of
from routenlp.replay.cascade import replay
from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

TARGETS = tuple(float(t) for t in np.linspace(0.999, 0.85, 48))
"""Quality ratios on training rows at which the ladder takes its thresholds, cautious to bold; 0.85 lies beyond what any
of the rules' targets here allows."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What each policy does to each row; the arrays have shape (policies, rows)."""

    correct: FloatArray
    """Answers of the cheap tiers that it called which were handled: 0, 1, 2, ..."""
    escalated: FloatArray
    """Those of them that it escalated."""
    cheap: FloatArray
    """1 where the final answer came from a non-top tier."""
    lost: FloatArray
    """1 where that answer failed."""
    quality: FloatArray
    cost: FloatArray
    top_quality: FloatArray
    """Shape (rows,), like `top_cost`."""
    top_cost: FloatArray


def fix_ladder(train: Recorded) -> FloatArray:
    """Thresholds of rising boldness, shape (policies, tiers), NaN where a tier accepts nothing; without always-top.

    At each of `TARGETS` the cheapest thresholds that keep that quality ratio on these (training) rows.
    """
    rows = CalibrationRows(train, np.ones(train.quality.shape))
    steps: list[FloatArray] = []
    last = 1.0
    for target in TARGETS:
        setting = cheapest(rows, [0.0], target)
        if setting.cutoff is not None and setting.cost_ratio < last - 1e-9:
            steps.append(limits_of(setting.thresholds))
            last = setting.cost_ratio
    return np.array(steps).reshape(len(steps), len(train.tiers))


def effects(recorded: Recorded, thresholds: FloatArray) -> Effects:
    """Replay each policy; one without a single threshold is always-top, which calls no cheap tier.

    `thresholds`: shape (policies, tiers), NaN where a tier accepts nothing. Every query begins at the cheapest tier.
    """
    top = len(recorded.tiers) - 1
    at_top = never_cheap(thresholds)
    final = np.empty((len(thresholds), recorded.n), dtype=np.int64)
    cost = np.empty(final.shape)
    for i, limits in enumerate(thresholds):
        done = replay(recorded, np.full(recorded.n, top if at_top[i] else 0), limits)
        final[i], cost[i] = done.final, done.cost_usd
    quality = recorded.quality[np.arange(recorded.n), final]
    cheap = np.asarray(final < top)
    correct, escalated = np.zeros(final.shape), np.zeros(final.shape)
    for k in range(top):
        called = (final >= k) & recorded.handled[:, k] & ~at_top[:, None]
        correct += called
        escalated += called & (final > k)
    return Effects(
        correct=correct,
        escalated=escalated,
        cheap=cheap.astype(np.float64),
        lost=(cheap & (quality < recorded.handled_at)).astype(np.float64),
        quality=quality,
        cost=cost,
        top_quality=recorded.quality[:, top],
        top_cost=recorded.cost_usd[:, top],
    )


def never_cheap(thresholds: FloatArray) -> Bools:
    """Which policies, shape (policies, tiers), have no threshold for any cheap tier: always-top."""
    return np.asarray(np.isnan(thresholds[:, :-1]).all(axis=1), dtype=np.bool_)


def escalated_if_correct(recorded: Recorded, thresholds: FloatArray) -> FloatArray:
    """Of *all* rows' correct answers of each cheap tier, the share over its threshold; shape (policies, tiers - 1).

    What rule `paper` bounds: it takes each tier on its own, on every query, whichever queries reach it in the cascade.
    1 where there is no threshold, NaN where a tier is never right.
    """
    out = np.full((len(thresholds), len(recorded.tiers) - 1), np.nan)
    for k in range(out.shape[1]):
        mine = recorded.handled[:, k]
        scores = np.sort(recorded.score[mine & np.isfinite(recorded.score[:, k]), k])
        if mine.any():
            limits = np.where(np.isnan(thresholds[:, k]), -np.inf, thresholds[:, k])
            out[:, k] = 1.0 - np.searchsorted(scores, limits, side="right") / mine.sum()
    return out
