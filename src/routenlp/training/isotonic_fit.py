"""Fits rising maps by tier, and by task where a task has rows enough; keeps only what helps on held-out rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.router.isotonic import IsotonicMaps
from routenlp.types import FloatArray

KNOTS = 21
SHRUNK_UNDER = 100.0
"""Rows at which a task's own map and its tier's weigh the same."""


def fit_isotonic(
    predicted: FloatArray,
    targets: FloatArray,
    task: NDArray[np.int64],
    *,
    tasks: int,
    low: FloatArray,
    high: FloatArray,
) -> IsotonicMaps:
    """`predicted`: held-out, shape (n, K). `targets`: NaN where missing; without any, what was predicted is kept.

    Levels are kept within `low` and `high`, shape (K,).
    """
    tiers = predicted.shape[1]
    knots = np.quantile(predicted, np.linspace(0.0, 1.0, KNOTS), axis=0).T
    levels = np.empty((tasks, tiers, KNOTS))
    for k in range(tiers):
        known = ~np.isnan(targets[:, k])
        p, y, t = predicted[known, k], targets[known, k], task[known]
        of_tier = rising(knots[k], p, y, knots[k])
        levels[:, k] = of_tier
        for own in np.unique(t):
            mine = t == own
            levels[own, k] = rising(knots[k], p[mine], y[mine], of_tier)
    return IsotonicMaps(knots, np.clip(levels, low[:, None], high[:, None]))


def rising(knots: FloatArray, p: FloatArray, y: FloatArray, prior: FloatArray) -> FloatArray:
    """Least squares among rising maps at `knots`, shrunk to the map `prior` as by `SHRUNK_UNDER` rows along the knots.

    Each row counts at the two knots around it; pooling adjacent violators does the rest (Ayer et al. 1955).
    """
    right = np.clip(np.searchsorted(knots, p), 1, len(knots) - 1)
    width = knots[right] - knots[right - 1]
    share = np.clip((p - knots[right - 1]) / np.where(width > 0.0, width, 1.0), 0.0, 1.0)
    at, part = np.concatenate([right - 1, right]), np.concatenate([1.0 - share, share])
    # What a row says of a knot is the prior there, and by how much the row missed the prior.
    missed = np.tile(y - (prior[right - 1] + share * (prior[right] - prior[right - 1])), 2)
    weight = np.bincount(at, weights=part, minlength=len(knots)).astype(np.float64)
    total = np.bincount(at, weights=part * missed, minlength=len(knots)).astype(np.float64)
    strength = SHRUNK_UNDER / len(knots)
    return _pooled(prior + total / (weight + strength), weight + strength)


def _pooled(values: FloatArray, weights: FloatArray) -> FloatArray:
    """The nearest rising sequence in weighted least squares."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, size = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, more, count = blocks.pop()
            mean, total, size = (before * more + mean * total) / (more + total), more + total, size + count
        blocks.append((mean, total, size))
    return np.concatenate([np.full(size, mean) for mean, _, size in blocks])
