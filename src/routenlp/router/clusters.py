"""What the router expects of each tier: what it delivered on queries of the same cluster, beside those of the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.router.vectors import unit_rows
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class ClusterEstimates:
    """Of each tier, task_mean[task] + offset[the centre of the largest cosine], kept within [low_k, high_k]."""

    centres: Vectors
    """Unit rows, shape (c, d)."""
    offset: FloatArray
    """Shape (c, K)."""
    task_mean: FloatArray
    """Shape (tasks, K)."""
    low: FloatArray
    high: FloatArray

    KIND: ClassVar[str] = "estimates/clusters"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        own = (unit_rows(features) @ self.centres.T).argmax(axis=1)
        return np.asarray(np.clip(self.task_mean[task] + self.offset[own], self.low, self.high))

    def parts(self) -> Parts:
        """For storage."""
        return Parts(self.KIND, {name: getattr(self, name) for name in ("centres", *_FLOATS)}, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> ClusterEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        floats = {name: np.asarray(parts.arrays[name], dtype=np.float64) for name in _FLOATS}
        return cls(centres=np.asarray(parts.arrays["centres"], dtype=np.float32), **floats)


_FLOATS = ("offset", "task_mean", "low", "high")
