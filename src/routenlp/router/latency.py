"""How long each tier is expected to take on a query, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Estimator
from routenlp.router.nested import joined, part_of
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class LatencyEstimates:
    """ln of the median seconds by tier: what is usual of the task, moved by what the query says."""

    usual: FloatArray
    """Shape (tasks, K); NaN where nothing is known."""
    moved: Estimator
    """By how much, shape (n, K); 0 for tiers of which the query says nothing."""

    KIND: ClassVar[str] = "estimates/latency"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K); NaN where nothing is known of a tier."""
        return np.asarray(self.usual[task] + self.moved.estimate(features, task))

    def of_row(self, moved: list[float], features: Vectors, task: int) -> list[float]:  # noqa: ARG002 - as token costs
        """The same of one query, where `moved` is known."""
        return [usual + by for usual, by in zip(self.usual[task].tolist(), moved, strict=True)]

    def parts(self) -> Parts:
        """For storage."""
        return joined(self.KIND, {}, {"moved": self.moved.parts()}, {"usual": self.usual})

    @classmethod
    def from_parts(cls, parts: Parts, read: Callable[[Parts], Estimator]) -> LatencyEstimates:
        """The inverse of `parts`; `read` makes estimators. Raises `KeyError` where a part is missing."""
        return cls(np.asarray(parts.arrays["usual"], dtype=np.float64), read(part_of(parts, "moved")))
