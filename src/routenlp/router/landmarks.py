"""What the router expects of each tier, by likeness to some training queries: kernel ridge on landmarks.

Likeness is exp(sharpness (cosine - 1)), less where the tasks differ. With a few hundred landmarks (Williams & Seeger
2001: Using the Nystrom Method to Speed Up Kernel Machines) it is a smooth kind of nearest neighbours, for one small
matrix product whatever the number of training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.router.vectors import unit_rows
from routenlp.types import FloatArray, Parts, Vectors


def likeness(units: Vectors, landmarks: Vectors, sharpness: float, share: Vectors) -> Vectors:
    """Shape (n, m), in (0, 1]: exp(sharpness (cosine - 1)) times `share`, shape (n, m), of `shares`."""
    near = (np.float32(sharpness) * units) @ landmarks.T
    near -= np.float32(sharpness)
    np.exp(near, out=near)
    near *= share
    return np.asarray(near)


def shares(landmark_task: NDArray[np.int64], tasks: int, other_task: float) -> Vectors:
    """By task and landmark, shape (tasks, m): 1 where the tasks are the same, else exp(-other_task)."""
    same = np.arange(tasks)[:, None] == landmark_task
    return np.where(same, 1.0, np.exp(-other_task)).astype(np.float32)


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
    task_shares: Vectors = field(init=False, repr=False)
    """`shares` of these landmarks, shape (tasks, m)."""

    KIND: ClassVar[str] = "estimates/landmarks"

    def __post_init__(self) -> None:
        found = shares(self.landmark_task, len(self.task_weights), self.other_task)
        object.__setattr__(self, "task_shares", found)

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        near = likeness(unit_rows(features), self.landmarks, self.sharpness, self.task_shares[task])
        found = near @ self.weights
        found += self.task_weights[task]
        return np.asarray(np.minimum(np.maximum(found, self.low), self.high))

    def looks_as(self, other: LandmarkEstimates) -> bool:
        """Whether both find every query equally like to the same landmarks."""
        return (
            self.sharpness == other.sharpness
            and np.array_equal(self.landmarks, other.landmarks)
            and np.array_equal(self.task_shares, other.task_shares)
        )

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
