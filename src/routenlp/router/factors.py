"""What the router expects of each tier's quality, by a few factors of the query: item response theory.

A query has factors (how hard it is, and in what way), a tier has abilities (Rasch 1960; Reckase 2009 for several
factors). A new tier needs a handful of numbers and not a model of its own, so a few probes place it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.router.logistic import logistic
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class FactorEstimates:
    """Of each tier, logistic(level_k + factors(query) . loadings_k)."""

    axes: FloatArray
    """Of the factors, shape (d, r)."""
    task_axes: FloatArray
    """With the offset, shape (tasks, r)."""
    loadings: FloatArray
    """Shape (r, K)."""
    level: FloatArray
    """Shape (K,)."""
    spread: FloatArray
    """Over tiers, the variance of the level and of each loading, shape (1 + r,): what is known of a tier unseen."""

    KIND: ClassVar[str] = "estimates/factors"

    def factors(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Of each query, shape (n, r): mean 0 and variance 1 over the training queries."""
        return np.asarray(features.astype(np.float64) @ self.axes + self.task_axes[task])

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), in [0, 1]."""
        return logistic(self.level + self.factors(features, task) @ self.loadings)

    def parts(self) -> Parts:
        """For storage."""
        return Parts(self.KIND, {name: getattr(self, name) for name in _ARRAYS}, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> FactorEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        return cls(*(np.asarray(parts.arrays[name], dtype=np.float64) for name in _ARRAYS))


_ARRAYS = ("axes", "task_axes", "loadings", "level", "spread")
