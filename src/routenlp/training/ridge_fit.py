"""Fits what the router expects of each tier, and says what they would have been on rows that they had not seen.

One Gram matrix a fold gives every cross-fit and every penalty: leaving a fold out is a subtraction, and an
eigendecomposition serves all penalties (Hoerl & Kennard 1970).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.router.ridge import RidgeEstimates, with_tasks
from routenlp.training.outcomes_present import Fitted, check_enough, presents
from routenlp.types import FloatArray, Vectors

FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)


def fold_of_groups(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each row, shape (n,), whole groups together, all folds about equal in groups."""
    distinct, inverse = np.unique(groups, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    return np.asarray(shuffled[inverse] % folds, dtype=np.int64)


def fit_ridge(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
) -> Fitted[RidgeEstimates]:
    """For each tier, with the penalty of the least squared error on held-out rows.

    `targets`: shape (n, K), NaN where an outcome is missing; estimates are kept within `low` and `high`, shape (K,).
    Raises `TrainingError` where a tier's outcomes are too few to hold any out.
    """
    n, tiers = targets.shape
    if n < 2 * FOLDS:
        raise TrainingError("router", f"has {n} rows", f"Give {2 * FOLDS} at least")
    columns = with_tasks(features, task, tasks)
    centre, mean = columns.mean(axis=0), np.zeros(tiers)
    x = columns - centre
    fold = fold_of_groups(groups, FOLDS, seed)
    weights, held_out = np.empty((x.shape[1], tiers)), np.empty((n, tiers))
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
        k = present.tiers
        y = targets[:, k][present.rows]
        mean[k] = y.mean(axis=0)
        weights[:, k], apart = _fit(x, y - mean[k], present.rows, fold)
        held_out[:, k] = np.clip(mean[k] + apart, low[k], high[k])
    return Fitted(RidgeEstimates(weights, centre, mean, low, high, tasks), held_out)


def _fit(
    x: FloatArray, y: FloatArray, rows: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Weights and held-out predictions of all rows; `y` belongs to the rows that are there."""
    fold_of_y, known = fold[rows], x if rows.all() else x[rows]
    parts = [(known[fold_of_y == f], y[fold_of_y == f]) for f in range(FOLDS)]
    grams = [(a.T @ a, a.T @ b) for a, b in parts]
    gram, moment = sum(g for g, _ in grams), sum(m for _, m in grams)
    held_out = np.empty((len(PENALTIES), len(x), y.shape[1]))
    for f, (g, m) in enumerate(grams):
        held_out[:, fold == f] = x[fold == f] @ _ridge(gram - g, moment - m)
    best, tier = ((held_out[:, rows] - y) ** 2).mean(axis=1).argmin(axis=0), np.arange(y.shape[1])
    weights = _ridge(np.asarray(gram), np.asarray(moment))[best, :, tier].T
    return np.ascontiguousarray(weights), np.asarray(held_out[best, :, tier].T)


def _ridge(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Weights for every penalty, shape (penalties, d, K)."""
    values, axes = np.linalg.eigh(gram)
    turned = axes.T @ moment
    return np.stack([axes @ (turned / (np.maximum(values, 0.0) + p)[:, None]) for p in PENALTIES])
