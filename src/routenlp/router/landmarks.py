"""What the router expects of each tier, by likeness to some training queries: kernel ridge on landmarks.

Likeness is exp(sharpness (cosine - 1)), less where the tasks differ. With a few hundred landmarks (Williams & Seeger
2001: Using the Nystrom Method to Speed Up Kernel Machines) it is a smooth kind of nearest neighbours, for one small
matrix product whatever the number of training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.router.vectors import unit_rows
from routenlp.types import FloatArray, Parts, Vectors


def likeness(
    units: Vectors,
    task: NDArray[np.int64],
    landmarks: Vectors,
    landmark_task: NDArray[np.int64],
    sharpness: float,
    other_task: float,
) -> Vectors:
    """Shape (n, m), in (0, 1]: exp(sharpness (cosine - 1) - other_task where the tasks differ)."""
    out = units @ landmarks.T
    out -= np.float32(1.0)
    out *= np.float32(sharpness)
    out -= np.float32(other_task) * (task[:, None] != landmark_task)
    return np.asarray(np.exp(out, out=out))


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkEstimates:
    """Of each tier, likeness . weights_k + task_weights_k[task], kept within [low_k, high_k]."""

    landmarks: Vectors
    """Unit rows, shape (m, d)."""
    landmark_task: NDArray[np.int64]
    """Shape (m,)."""
    weights: FloatArray
    """Shape (m, K)."""
    task_weights: FloatArray
    """With the intercept, shape (tasks, K)."""
    low: FloatArray
    high: FloatArray
    sharpness: float
    other_task: float

    KIND: ClassVar[str] = "estimates/landmarks"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        near = likeness(unit_rows(features), task, self.landmarks, self.landmark_task, self.sharpness, self.other_task)
        return np.clip(near @ self.weights + self.task_weights[task], self.low, self.high)

    def parts(self) -> Parts:
        """For storage."""
        arrays = {name: getattr(self, name) for name in (*_FLOATS, "landmarks", "landmark_task")}
        return Parts(self.KIND, arrays, {"sharpness": self.sharpness, "other_task": self.other_task})

    @classmethod
    def from_parts(cls, parts: Parts) -> LandmarkEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        landmarks = np.asarray(parts.arrays["landmarks"], dtype=np.float32)
        landmark_task = np.asarray(parts.arrays["landmark_task"], dtype=np.int64)
        floats = {name: np.asarray(parts.arrays[name], dtype=np.float64) for name in _FLOATS}
        return cls(
            landmarks=landmarks,
            landmark_task=landmark_task,
            sharpness=float(meta["sharpness"]),
            other_task=float(meta["other_task"]),
            **floats,
        )


_FLOATS = ("weights", "task_weights", "low", "high")
