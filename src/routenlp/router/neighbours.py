"""What the router expects of each tier: what it delivered on the training queries that are most like this one.

Hu et al. 2024 (RouterBench, arXiv 2403.12031) and Li 2025 (arXiv 2505.12601) find it hard to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.router.vectors import unit_rows
from routenlp.types import FloatArray, Parts, Vectors

BLOCK = 512
"""Queries at a time: 512 x 10,000 cosines are 20 MB."""


def nearest(likeness: Vectors, count: int) -> NDArray[np.int64]:
    """Positions of the `count` largest of each row, largest first, shape (n, count)."""
    some = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(likeness, some, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(some, order, axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourEstimates:
    """Of each tier, the mean outcome of the `count` nearest rows, drawn to the task's mean by `prior` rows."""

    rows: Vectors
    """Unit rows of the training queries, shape (m, d)."""
    row_task: NDArray[np.int64]
    outcomes: Vectors
    """Shape (m, K); NaN where a tier's outcome is missing."""
    task_mean: FloatArray
    """Shape (tasks, K)."""
    count: int
    same_task: float
    """Added to the cosine of queries of one task."""
    prior: float

    KIND: ClassVar[str] = "estimates/neighbours"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        units = unit_rows(features)
        out = np.empty((len(task), self.outcomes.shape[1]))
        for start in range(0, len(task), BLOCK):
            at = slice(start, start + BLOCK)
            found = nearest(self._likeness(units[at], task[at]), min(self.count, len(self.rows)))
            near = self.outcomes[found].astype(np.float64)
            known = ~np.isnan(near)
            total = np.where(known, near, 0.0).sum(axis=1)
            out[at] = (total + self.prior * self.task_mean[task[at]]) / (known.sum(axis=1) + self.prior)
        return out

    def _likeness(self, units: Vectors, task: NDArray[np.int64]) -> Vectors:
        return np.asarray(units @ self.rows.T + np.float32(self.same_task) * (task[:, None] == self.row_task))

    def parts(self) -> Parts:
        """For storage: rows as float16, which moves a cosine by 0.001 at most."""
        arrays: dict[str, NDArray[np.generic]] = {
            "rows": self.rows.astype(np.float16),
            "row_task": self.row_task,
            "outcomes": self.outcomes,
            "task_mean": self.task_mean,
        }
        return Parts(self.KIND, arrays, {"count": self.count, "same_task": self.same_task, "prior": self.prior})

    @classmethod
    def from_parts(cls, parts: Parts) -> NeighbourEstimates:
        """The inverse of `parts` up to the rounding of rows; raises `KeyError` where one is missing."""
        arrays, meta = parts.arrays, cast("Mapping[str, Any]", parts.meta)
        return cls(
            np.asarray(arrays["rows"], dtype=np.float32),
            np.asarray(arrays["row_task"], dtype=np.int64),
            np.asarray(arrays["outcomes"], dtype=np.float32),
            np.asarray(arrays["task_mean"], dtype=np.float64),
            int(meta["count"]),
            float(meta["same_task"]),
            float(meta["prior"]),
        )
