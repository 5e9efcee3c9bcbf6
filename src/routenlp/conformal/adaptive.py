"""Conformal thresholds that move with each label: adaptive conformal inference (ACI).

Gibbs and Candes 2021, arXiv:2106.00170. The level of the next threshold is alpha_{t+1} = alpha_t + gamma (alpha -
err_t), where err_t says whether the last right answer was escalated. Whatever the scores are, drift included, the share
of errors over T labels is within (max(alpha_1, 1 - alpha_1) + gamma) / (gamma T) of alpha: a promise about the average
over time, not about any stretch of it, and like the paper's rule it says nothing of wrong answers that are accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.conformal.paper import rank
from routenlp.errors import SettingsError
from routenlp.types import FloatArray

GAMMA = 0.005
"""The authors' own choice."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """`alpha`: the share of right answers that may be escalated."""

    alpha: float
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        """Raises `SettingsError` for levels and steps outside (0, 1)."""
        if not (0.0 < self.alpha < 1.0 and 0.0 < self.gamma < 1.0):
            raise SettingsError("alpha, gamma", f"are {self.alpha}, {self.gamma}", "Both must lie in (0, 1).")

    def see(self, level: float, *, escalated: bool) -> float:
        """The level after one more right answer; it may leave [0, 1] for a while."""
        return level + self.gamma * (self.alpha - float(escalated))


def threshold_at(level: float, right: FloatArray) -> float | None:
    """Accept a score of at most this. `right`: scores of right answers, shape (n,), without NaN.

    A level of 0 or less accepts everything (infinity), one of 1 or more nothing (None), and so do too few scores.
    """
    if level <= 0.0:
        return float("inf")
    if level >= 1.0:
        return None
    r = rank(len(right), level)
    return float(np.partition(right, r - 1)[r - 1]) if 1 <= r <= len(right) else None
