"""Fits gradient boosting (Friedman 2001, 2002) of squared error, one tier after the other, and flattens the trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.router.boosting import BoostedEstimates
from routenlp.router.vectors import task_columns
from routenlp.training.outcomes_present import Fitted, check_enough, presents
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

TREES = 80
DEPTH = 3
RATE = 0.08
_SHARE = 0.5
"""Of the rows that each tree sees."""
_LEAST_ROWS = 20
"""In a leaf."""


def fit_boosting(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
) -> Fitted[BoostedEstimates]:
    """`targets`: shape (n, K), NaN where missing. Raises `TrainingError` where outcomes are too few to hold any out."""
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
    x = np.concatenate([features, task_columns(task, tasks).astype(np.float32)], axis=1)
    fold = fold_of_groups(groups, FOLDS, seed)
    held_out = np.empty(targets.shape)
    for f in range(FOLDS):
        away = fold == f
        model = _boosted(x[~away], targets[~away], tasks, seed, low, high)
        held_out[away] = model.estimate(features[away], task[away])
    return Fitted(_boosted(x, targets, tasks, seed, low, high), held_out)


def _boosted(
    x: Vectors, targets: FloatArray, tasks: int, seed: int, low: FloatArray, high: FloatArray
) -> BoostedEstimates:
    tiers, inner = targets.shape[1], 2**DEPTH - 1
    column = np.zeros((tiers, TREES, inner), dtype=np.int64)
    threshold = np.full((tiers, TREES, inner), np.inf)
    leaves, base = np.zeros((tiers, TREES, inner + 1)), np.zeros(tiers)
    for k in range(tiers):
        known = ~np.isnan(targets[:, k])
        base[k] = targets[known, k].mean()
        for i, tree in enumerate(_trees(x[known], targets[known, k], seed)):
            _flatten(tree, column[k, i], threshold[k, i], leaves[k, i])
    return BoostedEstimates(column, threshold, RATE * leaves, base, low, high, tasks)


def _trees(x: Vectors, y: FloatArray, seed: int) -> list[Any]:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        subsample=_SHARE,
        max_features="sqrt",
        min_samples_leaf=min(_LEAST_ROWS, max(1, len(y) // 10)),
        random_state=seed,
    )
    return [tree.tree_ for tree in model.fit(x, y).estimators_[:, 0]]


def _flatten(tree: Any, column: NDArray[np.int64], threshold: FloatArray, leaves: FloatArray) -> None:
    """A tree of any shape as a complete one: where a branch ends early, all leaves under it are the same."""
    inner = len(column)
    value = tree.value[:, 0, 0]
    place = [(0, 0)]
    while place:
        at, node = place.pop()
        is_leaf = tree.children_left[node] < 0
        if at >= inner:
            leaves[at - inner] = value[node]
            continue
        if not is_leaf:
            column[at], threshold[at] = tree.feature[node], tree.threshold[node]
        place.append((2 * at + 1, node if is_leaf else tree.children_left[node]))
        place.append((2 * at + 2, node if is_leaf else tree.children_right[node]))
