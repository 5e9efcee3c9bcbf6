"""Fits clusters by spherical k-means (Dhillon & Modha 2001), and how many by held-out rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.router.clusters import ClusterEstimates
from routenlp.router.vectors import unit_rows
from routenlp.training.outcomes_present import Fitted, check_enough, presents, task_means
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

COUNTS = (8, 16, 32, 64, 128)
PRIOR = 10.0
"""Rows of the task's mean that a cluster's mean is drawn to."""
_ROUNDS = 15


def fit_clusters(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
) -> Fitted[ClusterEstimates]:
    """The number of clusters of the least squared error. `targets`: shape (n, K), NaN where an outcome is missing.

    Centres are found without a look at any outcome. Raises `TrainingError` where a tier's outcomes are too few to hold
    any out.
    """
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
    units, fold = unit_rows(features), fold_of_groups(groups, FOLDS, seed)
    settings = [spherical_kmeans(units, min(count, len(units)), seed=seed) for count in COUNTS]
    own = [(units @ centres.T).argmax(axis=1) for centres in settings]
    held_out = np.empty((len(settings), *targets.shape))
    for f in range(FOLDS):
        away = fold == f
        means = task_means(task[~away], targets[~away], tasks)
        for i, centres in enumerate(settings):
            offset = _offsets(own[i][~away], targets[~away] - means[task[~away]], len(centres))
            held_out[i, away] = np.clip(means[task[away]] + offset[own[i][away]], low, high)
    best = int(np.nanmean((held_out - targets) ** 2, axis=(1, 2)).argmin())
    means = task_means(task, targets, tasks)
    offset = _offsets(own[best], targets - means[task], len(settings[best]))
    return Fitted(ClusterEstimates(settings[best], offset, means, low, high), held_out[best])


def spherical_kmeans(units: Vectors, count: int, *, seed: int) -> Vectors:
    """Centres, unit rows of shape (count, d): from `count` rows drawn at random; an empty cluster keeps its centre."""
    drawn = np.random.default_rng(seed).permutation(len(units))[:count]
    centres = units[np.sort(drawn)]
    before = np.full(len(units), -1)
    for _ in range(_ROUNDS):
        own = (units @ centres.T).argmax(axis=1)
        if (own == before).all():
            break
        before = own
        order = np.argsort(own, kind="stable")
        found, begin = np.unique(own[order], return_index=True)
        sums = np.add.reduceat(units[order], begin, axis=0)
        centres = centres.copy()
        centres[found] = unit_rows(sums)
    return centres


def _offsets(own: NDArray[np.int64], residual: FloatArray, count: int) -> FloatArray:
    known = ~np.isnan(residual)
    filled = np.where(known, residual, 0.0)
    total = np.stack([np.bincount(own, weights=column, minlength=count) for column in filled.T], axis=1)
    seen = np.stack([np.bincount(own, weights=column, minlength=count) for column in known.T], axis=1)
    return np.asarray(total / (seen + PRIOR))
