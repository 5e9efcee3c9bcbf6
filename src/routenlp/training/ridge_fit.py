"""Fits what the router expects of each tier, and says what they would have been on rows that they had not seen.

One Gram matrix a fold gives every cross-fit and every penalty: leaving a fold out is a subtraction, and an
eigendecomposition serves all penalties (Hoerl & Kennard 1970).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.router.ridge import RidgeEstimates, with_tasks
from routenlp.types import FloatArray, Vectors

FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True, eq=False)
class FittedRidge:
    """Estimates, and the same of the training rows by models that had not seen the row's group."""

    model: RidgeEstimates
    held_out: FloatArray
    """Shape (n, K)."""


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
) -> FittedRidge:
    """For each tier, with the penalty of the least squared error on held-out rows.

    `targets`: shape (n, K); estimates are kept within `low` and `high`, shape (K,). Raises `TrainingError` where rows
    are too few to hold any out.
    """
    n, tiers = targets.shape
    if n < 2 * FOLDS:
        raise TrainingError("router", f"has {n} rows", f"Give {2 * FOLDS} at least")
    columns = with_tasks(features, task, tasks)
    centre, mean = columns.mean(axis=0), targets.mean(axis=0)
    x, y = columns - centre, targets - mean
    fold = fold_of_groups(groups, FOLDS, seed)
    grams = [(x[fold == f].T @ x[fold == f], x[fold == f].T @ y[fold == f]) for f in range(FOLDS)]
    gram, moment = sum(g for g, _ in grams), sum(m for _, m in grams)
    held_out = np.empty((len(PENALTIES), n, tiers))
    for f, (g, m) in enumerate(grams):
        held_out[:, fold == f] = x[fold == f] @ _ridge(gram - g, moment - m)
    best, tier = ((held_out - y) ** 2).mean(axis=1).argmin(axis=0), np.arange(tiers)
    weights = np.ascontiguousarray(_ridge(np.asarray(gram), np.asarray(moment))[best, :, tier].T)
    chosen = np.clip(mean + held_out[best, :, tier].T, low, high)
    return FittedRidge(RidgeEstimates(weights, centre, mean, low, high, tasks), np.asarray(chosen))


def _ridge(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Weights for every penalty, shape (penalties, d, K)."""
    values, axes = np.linalg.eigh(gram)
    turned = axes.T @ moment
    return np.stack([axes @ (turned / (np.maximum(values, 0.0) + p)[:, None]) for p in PENALTIES])
