"""What the router expects of each tier: a sum of small trees on features and task, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.router.vectors import task_columns
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class BoostedEstimates:
    """Of each tier, base_k + the sum of its T trees' leaves, kept within [low_k, high_k].

    Trees are complete: node i's children are 2i + 1, where the column is at most the threshold, and 2i + 2.
    """

    column: NDArray[np.int64]
    """Of features, then of the task's one-hot, shape (K, T, 2^depth - 1)."""
    threshold: FloatArray
    """Shape (K, T, 2^depth - 1); infinite where a branch ended early."""
    leaves: FloatArray
    """Shape (K, T, 2^depth)."""
    base: FloatArray
    """Shape (K,)."""
    low: FloatArray
    high: FloatArray
    tasks: int

    KIND: ClassVar[str] = "estimates/boosting"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        x = np.concatenate([features, task_columns(task, self.tasks).astype(np.float32)], axis=1)
        each = np.stack([self._sum(x, k) for k in range(len(self.base))], axis=1)
        return np.clip(self.base + each, self.low, self.high)

    def _sum(self, x: Vectors, k: int) -> FloatArray:
        trees, inner = self.column[k].shape
        tree, row = np.arange(trees), np.arange(len(x))[:, None]
        node = np.zeros((len(x), trees), dtype=np.int64)
        for _ in range((inner + 1).bit_length() - 1):
            right = x[row, self.column[k][tree, node]] > self.threshold[k][tree, node]
            node = 2 * node + 1 + right
        return np.asarray(self.leaves[k][tree, node - inner].sum(axis=1))

    def parts(self) -> Parts:
        """For storage."""
        arrays = {name: getattr(self, name) for name in ("column", *_FLOATS)}
        return Parts(self.KIND, arrays, {"tasks": self.tasks})

    @classmethod
    def from_parts(cls, parts: Parts) -> BoostedEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        floats = {name: np.asarray(parts.arrays[name], dtype=np.float64) for name in _FLOATS}
        column, tasks = np.asarray(parts.arrays["column"], dtype=np.int64), parts.meta["tasks"]
        return cls(column=column, tasks=int(str(tasks)), **floats)


_FLOATS = ("threshold", "leaves", "base", "low", "high")
