"""What the router expects of each tier's quality: one hidden layer over features and task, shared by all tiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.router.logistic import logistic
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class MlpEstimates:
    """logistic(out . tanh(hidden . features + task_hidden[task]) + out_offset); all float32."""

    hidden: Vectors
    """Shape (d, h)."""
    task_hidden: Vectors
    """With the offset, shape (tasks, h)."""
    out: Vectors
    """Shape (h, K)."""
    out_offset: Vectors
    """Shape (K,)."""

    KIND: ClassVar[str] = "estimates/mlp"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), in [0, 1]."""
        hidden = np.tanh(features @ self.hidden + self.task_hidden[task])
        return logistic((hidden @ self.out + self.out_offset).astype(np.float64))

    def parts(self) -> Parts:
        """For storage."""
        return Parts(self.KIND, {name: getattr(self, name) for name in _ARRAYS}, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> MlpEstimates:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        return cls(*(np.asarray(parts.arrays[name], dtype=np.float32) for name in _ARRAYS))


_ARRAYS = ("hidden", "task_hidden", "out", "out_offset")
