"""Rising maps from what was predicted to what was delivered, by tier and task."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

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
    _knots: list[list[float]] = field(init=False, repr=False)
    _levels: list[list[list[float]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_knots", self.knots.tolist())
        object.__setattr__(self, "_levels", self.levels.tolist())

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

    def of_one(self, predicted: list[float], task: int) -> list[float]:
        """The bits of `of` for a single row, without numpy's overhead on so few numbers."""
        out = []
        for value, knots, levels in zip(predicted, self._knots, self._levels[task], strict=True):
            right = bisect_left(knots, value, 1, len(knots) - 1)
            begin, low = knots[right - 1], levels[right - 1]
            share = (value - begin) / (knots[right] - begin or 1.0)
            share = 0.0 if share < 0.0 else 1.0 if share > 1.0 else share
            out.append(low + share * (levels[right] - low))
        return out
