"""Chooses how many neighbours to ask, and whether they must share the task, on held-out training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.router.neighbours import BLOCK, NeighbourEstimates, nearest
from routenlp.router.vectors import unit_rows
from routenlp.training.outcomes_present import Fitted, check_enough, presents, task_means
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

COUNTS = (10, 20, 40, 80)
SAME_TASK = (0.3, 2.0)
"""2 puts every query of the task before any other."""
PRIOR = 2.0


def fit_neighbours(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,  # noqa: ARG001 - means stay within what was seen
    high: FloatArray,  # noqa: ARG001
) -> Fitted[NeighbourEstimates]:
    """The setting of the least squared error over all tiers. `targets`: NaN where an outcome is missing.

    Raises `TrainingError` where a tier's outcomes are too few to hold any out.
    """
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
    units, fold = unit_rows(features), fold_of_groups(groups, FOLDS, seed)
    settings = [(same_task, count) for same_task in SAME_TASK for count in COUNTS]
    held_out = np.empty((len(settings), *targets.shape))
    for f in range(FOLDS):
        away = fold == f
        held_out[:, away] = _means(units, task, targets, away, tasks)
    best = int(np.nanmean((held_out - targets) ** 2, axis=(1, 2)).argmin())
    same_task, count = settings[best]
    outcomes = targets.astype(np.float32)
    model = NeighbourEstimates(units, task, outcomes, task_means(task, targets, tasks), count, same_task, PRIOR)
    return Fitted(model, held_out[best])


def _means(
    units: Vectors, task: NDArray[np.int64], targets: FloatArray, away: NDArray[np.bool_], tasks: int
) -> FloatArray:
    """Estimates of the rows that are away from all others, shape (settings, rows, K)."""
    there = ~away
    known = ~np.isnan(targets[there])
    values = np.concatenate([np.where(known, targets[there], 0.0), known], axis=1)
    prior = task_means(task[there], targets[there], tasks)[task[away]]
    counts = [min(count, int(there.sum())) for count in COUNTS]
    out = np.empty((len(SAME_TASK) * len(COUNTS), int(away.sum()), targets.shape[1]))
    for start in range(0, out.shape[1], BLOCK):
        at = np.flatnonzero(away)[start : start + BLOCK]
        cosines = units[at] @ units[there].T
        shared = task[at, None] == task[there]
        for i, same_task in enumerate(SAME_TASK):
            found = nearest(cosines + np.float32(same_task) * shared, max(counts))
            sums = np.cumsum(values[found], axis=1)
            for j, count in enumerate(counts):
                total, seen = np.split(sums[:, count - 1], 2, axis=1)
                of_task = prior[start : start + BLOCK]
                out[i * len(COUNTS) + j, start : start + BLOCK] = (total + PRIOR * of_task) / (seen + PRIOR)
    return out
