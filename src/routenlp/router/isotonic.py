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
        last = self.knots.shape[1] - 1
        right = (self.knots < predicted[:, :, None]).sum(axis=2)
        right[right == 0] = 1
        right[right > last] = last
        tier = np.arange(len(self.knots))
        begin = self.knots[tier, right - 1]
        width = self.knots[tier, right] - begin
        width[width <= 0.0] = 1.0
        share = np.minimum(np.maximum((predicted - begin) / width, 0.0), 1.0)
        row = task[:, None]
        low = self.levels[row, tier, right - 1]
        return np.asarray(low + share * (self.levels[row, tier, right] - low))
