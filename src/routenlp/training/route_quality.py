"""Fits the router's quality estimates, and says what they would have been on rows that they had not seen.

One Gram matrix a fold gives every cross-fit and every penalty: leaving a fold out is a subtraction, and an
eigendecomposition serves all penalties (Hoerl & Kennard 1970).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.router.ridge_quality import RidgeQuality, with_tasks
from routenlp.types import FloatArray, Vectors

FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True, eq=False)
class FittedRoutes:
    """Estimates, and the same of the training rows by models that had not seen the row's group."""

    model: RidgeQuality
    held_out: FloatArray
    """Shape (n, K)."""


def fold_of_groups(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each row, shape (n,), whole groups together, all folds about equal in groups."""
    distinct, inverse = np.unique(groups, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    return np.asarray(shuffled[inverse] % folds, dtype=np.int64)


def fit_routes(
    features: Vectors, task: NDArray[np.int64], quality: FloatArray, groups: NDArray[np.int64], *, tasks: int, seed: int
) -> FittedRoutes:
    """Ridge for each tier, its penalty chosen by the squared error of held-out rows. `quality`: shape (n, K)."""
    n, tiers = quality.shape
    if n < 2 * FOLDS:
        raise TrainingError("router", f"has {n} rows", f"Give {2 * FOLDS} at least")
    columns = with_tasks(features, task, tasks)
    centre, mean = columns.mean(axis=0), quality.mean(axis=0)
    x, y = columns - centre, quality - mean
    fold = fold_of_groups(groups, FOLDS, seed)
    grams = [(x[fold == f].T @ x[fold == f], x[fold == f].T @ y[fold == f]) for f in range(FOLDS)]
    gram, moment = sum(g for g, _ in grams), sum(m for _, m in grams)
    held_out = np.empty((len(PENALTIES), n, tiers))
    for f, (g, m) in enumerate(grams):
        held_out[:, fold == f] = x[fold == f] @ _ridge(gram - g, moment - m)
    best = ((held_out - y) ** 2).mean(axis=1).argmin(axis=0)
    every, tier = _ridge(np.asarray(gram), np.asarray(moment)), np.arange(tiers)
    weights = every[best, :, tier].T
    chosen = np.clip(mean + held_out[best, :, tier].T, 0.0, 1.0)
    return FittedRoutes(RidgeQuality(np.ascontiguousarray(weights), centre, mean, tasks), np.asarray(chosen))


def _ridge(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Weights for every penalty, shape (penalties, d, K)."""
    values, axes = np.linalg.eigh(gram)
    turned = axes.T @ moment
    return np.stack([axes @ (turned / (np.maximum(values, 0.0) + p)[:, None]) for p in PENALTIES])
