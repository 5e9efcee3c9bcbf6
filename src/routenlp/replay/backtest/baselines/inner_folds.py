"""Cross-validation inside the training fold, by group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.replay.backtest.rows import Rows

FOLDS = 3
Positions = NDArray[np.int64]


def inner_folds(train: Rows, *, seed: int) -> list[tuple[Positions, Positions]]:
    """Pairs (fit on, look at) of row positions; each row is looked at once, and no group is on both sides.

    Where there are too few groups to spare any, one pair with all rows on both sides. Raises `TrainingError`
    without rows.
    """
    if train.n == 0:
        raise TrainingError("baselines", "the training fold has no rows", "Record more queries.")
    groups, member = np.unique(train.groups, return_inverse=True)
    every = np.arange(train.n)
    if len(groups) < 2 * FOLDS:
        return [(every, every)]
    fold = (np.random.default_rng(seed).permutation(len(groups)) % FOLDS)[member]
    return list(_pairs(fold))


def _pairs(fold: Positions) -> Iterator[tuple[Positions, Positions]]:
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
