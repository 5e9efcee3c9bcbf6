"""What the router expects of each tier, from logits that are linear in task and features, in numpy.

Fitted on preferences, on graded outcomes, or on both (`training.preference_fit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts, Vectors

TASK_SCALE = 0.5
"""Of the columns that say which task it is, beside features scaled to a length of about 1."""


@dataclass(frozen=True, slots=True, eq=False)
class TierStrengths:
    """sigmoid(z_k) for the strengths z = columns . weights + bias, kept within [low_k, high_k].

    P(tier a's answer beats tier b's) is sigmoid(z_a - z_b). Fitted without graded outcomes, strengths have mean zero,
    and an estimate is the chance of beating an answer of mean strength: right for order, not for level.
    """

    weights: FloatArray
    """Shape (tasks + d, K)."""
    bias: FloatArray
    """By tier, shape (K,)."""
    centre: FloatArray
    """Shape (d,)."""
    scale: FloatArray
    """Shape (d,), positive."""
    low: FloatArray
    high: FloatArray
    tasks: int

    KIND: ClassVar[str] = "router/strengths"

    def logits(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Strengths, shape (n, K)."""
        return np.asarray(columns(features, task, self.centre, self.scale, self.tasks) @ self.weights + self.bias)

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K). A task beyond those fitted has the features' say alone."""
        quality = 1.0 / (1.0 + np.exp(-np.clip(self.logits(features, task), -30.0, 30.0)))
        return np.clip(quality, self.low, self.high)

    def parts(self) -> Parts:
        """For storage."""
        names = ("weights", "bias", "centre", "scale", "low", "high")
        return Parts(self.KIND, {name: getattr(self, name) for name in names}, {"tasks": self.tasks})

    @classmethod
    def from_parts(cls, parts: Parts) -> TierStrengths:
        """The inverse of `parts`."""
        arrays = {name: np.asarray(array, dtype=np.float64) for name, array in parts.arrays.items()}
        return cls(**arrays, tasks=int(str(parts.meta["tasks"])))


def columns(
    features: Vectors, task: NDArray[np.int64], centre: FloatArray, scale: FloatArray, tasks: int
) -> FloatArray:
    """A scaled one-hot of the task beside the scaled features, shape (n, tasks + d); zeros for a task beyond."""
    shown = np.zeros((len(task), tasks))
    known = np.flatnonzero((task >= 0) & (task < tasks))
    shown[known, task[known]] = TASK_SCALE
    return np.concatenate([shown, (features - centre) / scale], axis=1)
