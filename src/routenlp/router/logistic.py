"""What the router expects of each tier's quality, over all tasks at once: a logistic layer on task and features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts, Vectors


def logistic(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z)), finite for every z."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


@dataclass(frozen=True, slots=True, eq=False)
class LogisticEstimates:
    """Of each tier, logistic(features . weights_k + task_weights_k[task])."""

    weights: Vectors
    """Shape (d, K)."""
    task_weights: FloatArray
    """With the intercept, shape (tasks, K)."""

    KIND: ClassVar[str] = "estimates/logistic"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), in [0, 1]."""
        return logistic(self.task_weights[task] + features @ self.weights)

    def parts(self) -> Parts:
        """For storage."""
        return Parts(self.KIND, {"weights": self.weights, "task_weights": self.task_weights}, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> LogisticEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        arrays = cast("Mapping[str, Any]", parts.arrays)
        return cls(
            np.asarray(arrays["weights"], dtype=np.float32), np.asarray(arrays["task_weights"], dtype=np.float64)
        )
