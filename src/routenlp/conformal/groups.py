"""Exchangeable units: single rows, or groups of rows (a conversation, a document) that share their luck.

Rows of one group resemble each other, so a test that took them for independent would pass falsely. The unit then is the
group, and its variable is the *sum* over its rows: a sum counts a group by its size, so that the promise stays one
about rows; a mean would count short and long conversations the same. Sums must be bounded before any row is seen, so at
most `rows_a_group` rows of a group are drawn, at random. The promise therefore is about traffic in which a larger group
counts as that many rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routenlp.conformal.betting import Bounded
from routenlp.errors import DataError
from routenlp.types import FloatArray

ROWS_A_GROUP = 20
MIN_GROUPS = 30
"""Under this many groups nothing is certified: so few may well have missed a whole kind of group."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The exchangeable units of a calibration fold, and the order in which a test looks at them."""

    rows: NDArray[np.int64]
    """The rows that are used, those of one unit side by side; shape (used,)."""
    starts: NDArray[np.int64]
    """Where each unit begins in `rows`; shape (units,)."""
    order: NDArray[np.int64]
    """A permutation of the units, drawn independently of their sizes and values; shape (units,)."""
    largest: int
    """The most rows that a unit can have, fixed before they are seen; 1 where every row stands for itself."""
    n: int
    """Rows of the fold."""

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.starts)

    @property
    def grouped(self) -> bool:
        """Whether rows came in groups."""
        return self.count < self.n

    def sums(self, values: ArrayLike) -> FloatArray:
        """Of shape (..., n), summed over the used rows of each unit: shape (..., units)."""
        array = np.asarray(values, dtype=np.float64)
        if array.shape[-1:] != (self.n,):
            raise DataError("calibration arrays", f"have {array.shape[-1:]} rows, not {self.n}", "Give every row.")
        if self.count == 0:
            return np.empty((*array.shape[:-1], 0))
        return np.asarray(np.add.reduceat(array[..., self.rows], self.starts, axis=-1), dtype=np.float64)

    def bounded(self, values: ArrayLike, low: float, high: float) -> Bounded:
        """Sums of a variable that lies in [low, high] on every row, with the bounds that follow."""
        return Bounded(self.sums(values), low * self.largest, high * self.largest)

    def design_effect(self, values: ArrayLike) -> float | None:
        """Variance of the mean of shape (n,) over what it were with independent rows (Kish 1965).

        rows / design effect is how many independent rows would say as much. None where rows are the units, under two
        units, and where all values are equal.
        """
        used = np.asarray(values, dtype=np.float64)[self.rows]
        if self.largest == 1 or self.count < 2 or np.ptp(used) == 0.0:
            return None
        rest = used - used.mean()
        sums = np.add.reduceat(rest, self.starts)
        independent = len(used) / (len(used) - 1) * float(rest @ rest)
        return self.count / (self.count - 1) * float(sums @ sums) / independent


def row_units(n: int, *, seed: int) -> Units:
    """Every row a unit of its own: exchangeable queries."""
    every = np.arange(n, dtype=np.int64)
    return Units(every, every, np.random.default_rng(seed).permutation(n), largest=1, n=n)


def group_units(groups: Sequence[str], *, seed: int, rows_a_group: int = ROWS_A_GROUP) -> Units:
    """Groups as units, named row by row; at most `rows_a_group` rows of each are drawn.

    A test on sums is the stronger the closer `rows_a_group` is to what groups really have: take it from the training
    fold (`rows_to_take`), never from these rows. Where no group has two rows, rows are the units.
    """
    if rows_a_group < 1:
        raise DataError("rows_a_group", f"is {rows_a_group}", "A group must give at least one row.")
    number: dict[str, int] = {}
    member = np.array([number.setdefault(name, len(number)) for name in groups], dtype=np.int64)
    if len(number) == len(member):
        return row_units(len(member), seed=seed)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(member))
    rows = shuffled[np.argsort(member[shuffled], kind="stable")]
    starts = np.searchsorted(member[rows], np.arange(len(number)))
    place = np.arange(len(rows)) - starts[member[rows]]
    rows = rows[place < rows_a_group]
    starts = np.searchsorted(member[rows], np.arange(len(number)))
    return Units(rows, starts, rng.permutation(len(number)), largest=rows_a_group, n=len(member))


def rows_to_take(training_groups: Sequence[str], *, keep: float = 0.9) -> int:
    """How many rows of a group to take at most, in 1 .. 20: the fewest that keep this share of the training rows.

    Fewer rows make the test stronger, more make its promise closer to one in which every row counts the same.
    """
    sizes = np.array(list(Counter(training_groups).values()), dtype=np.int64)
    for most in range(1, ROWS_A_GROUP):
        if np.minimum(sizes, most).sum() >= keep * sizes.sum():
            return most
    return ROWS_A_GROUP
