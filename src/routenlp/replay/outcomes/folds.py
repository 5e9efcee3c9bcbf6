"""Which query serves which purpose: by a hash of its group and the number of the repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError, FoldOverlap
from routenlp.replay.folds import CALIBRATE_UP_TO, SALT, TRAIN_UP_TO, fraction
from routenlp.replay.outcomes.table import OutcomeTable

SHARES = (0.6, 0.8, 0.9)
"""Where train, calibrate and gate end; the rest is test."""
SHARES_OF_REST = (TRAIN_UP_TO, CALIBRATE_UP_TO, 1.0)
"""The same beside a supplied test split."""
NAMES = ("train", "calibrate", "gate", "test")


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeFolds:
    """Positions of the queries of each fold in the table, ascending. Every query is in exactly one."""

    train: NDArray[np.int64]
    calibrate: NDArray[np.int64]
    gate: NDArray[np.int64]
    test: NDArray[np.int64]


def fold_outcomes(table: OutcomeTable, *, seed: int = 0, repeat: int = 0) -> OutcomeFolds:
    """60% train, 20% calibrate, 10% gate, 10% test; beside a supplied split, 65 / 22 / 13 of what is not held out.

    A group is never cut, across tasks. Each (seed, repeat) is a split of its own; a supplied test fold is the same in
    all. Raises `FoldOverlap` for a group on both sides of the supplied split, `DataError` for a fold without queries.
    """
    salt = f"{SALT}/outcomes/{seed}/{repeat}"
    by_group = {group: fraction("", group, salt=salt) for group in sorted(set(table.groups))}
    at = np.array([by_group[group] for group in table.groups])
    if table.held_out is None:
        fold = np.searchsorted(SHARES, at, side="right")
    else:
        _check_apart(table, table.held_out)
        fold = np.where(table.held_out, 3, np.searchsorted(SHARES_OF_REST, at, side="right"))
    folds = [np.flatnonzero(fold == position).astype(np.int64) for position in range(len(NAMES))]
    for name, found in zip(NAMES, folds, strict=True):
        if not found.size:
            problem = f"no query falls into the {name} fold: there are {table.n:,} in {len(by_group):,} groups"
            raise DataError("folds", problem, "Record more queries: a few hundred at least for any promise")
    return OutcomeFolds(*folds)


def _check_apart(table: OutcomeTable, held_out: NDArray[np.bool_]) -> None:
    test = {table.groups[i] for i in np.flatnonzero(held_out)}
    rest = {table.groups[i] for i in np.flatnonzero(~held_out)}
    if test & rest:
        problem = f"group {min(test & rest)!r} has queries in the test split and outside"
        raise FoldOverlap("split_column", problem, "Put every group on one side, or use no split column")
