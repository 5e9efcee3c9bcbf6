"""What the router expects of each tier, over all tasks at once: ridge on task and features, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts, Vectors

TASK_SCALE = 0.5
"""Of the columns that say which task it is: the smaller, the more a task is shrunk to the mean over tasks."""


def with_tasks(features: Vectors, task: NDArray[np.int64], tasks: int) -> FloatArray:
    """A scaled one-hot of the task beside the features: float64 of shape (n, tasks + d)."""
    shown = np.zeros((len(task), tasks))
    shown[np.arange(len(task)), task] = TASK_SCALE
    return np.concatenate([shown, features.astype(np.float64)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class RidgeEstimates:
    """Of each tier, mean_k + (columns - centre) . weights_k, kept within [low_k, high_k]."""

    weights: FloatArray
    """Shape (tasks + d, K)."""
    centre: FloatArray
    """Shape (tasks + d,)."""
    mean: FloatArray
    """By tier, shape (K,)."""
    low: FloatArray
    high: FloatArray
    tasks: int

    KIND: ClassVar[str] = "estimates/ridge"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        columns = with_tasks(features, task, self.tasks)
        return np.clip(self.mean + (columns - self.centre) @ self.weights, self.low, self.high)

    def parts(self) -> Parts:
        """For storage."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return Parts(self.KIND, arrays, {"tasks": self.tasks})

    @classmethod
    def from_parts(cls, parts: Parts) -> RidgeEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        arrays = {name: np.asarray(parts.arrays[name], dtype=np.float64) for name in _ARRAYS}
        return cls(**arrays, tasks=int(meta["tasks"]))


_ARRAYS = ("weights", "centre", "mean", "low", "high")
