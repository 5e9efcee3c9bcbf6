"""Rising maps from what was predicted to what was delivered, by tier and task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicMaps:
    """Of each (tier, task) a map that does not fall: linear between knots, flat beyond."""

    knots: FloatArray
    """Predictions at which the maps are given, shape (K, p), rising."""
    levels: FloatArray
    """What was delivered there, shape (tasks, K, p), not falling."""

    def of(self, predicted: FloatArray, task: NDArray[np.int64]) -> FloatArray:
        """Of shape (n, K), like `predicted`."""
        out = np.empty_like(predicted)
        for k, knots in enumerate(self.knots):
            right = np.clip(np.searchsorted(knots, predicted[:, k]), 1, len(knots) - 1)
            width = knots[right] - knots[right - 1]
            share = np.clip((predicted[:, k] - knots[right - 1]) / np.where(width > 0.0, width, 1.0), 0.0, 1.0)
            low, high = self.levels[task, k, right - 1], self.levels[task, k, right]
            out[:, k] = low + share * (high - low)
        return out
