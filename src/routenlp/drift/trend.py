"""Where a tier's quality is going: an exponentially weighted mean of its audits, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from routenlp.errors import DataError


@dataclass(frozen=True, slots=True)
class TrendState:
    """All that is remembered; JSON restores it exactly."""

    weight: float = 0.0
    """Sum of the weights of all samples."""
    squared: float = 0.0
    """Sum of their squares."""
    mean: float = 0.0
    spread: float = 0.0
    """Weighted sum of squared distances from the mean."""


@dataclass(frozen=True, slots=True)
class TrendMean:
    """Of the newest samples."""

    estimate: float
    low: float
    high: float
    """The two-sided 95% interval; asymptotic."""
    n: float
    """How many samples of equal weight would say as much."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A sample counts half as much as one that came `half_life` samples later."""

    half_life: float

    def see(self, state: TrendState, quality: float) -> TrendState:
        """After one more quality in [0, 1]."""
        if not 0.0 <= quality <= 1.0:
            raise DataError("quality", f"is {quality}", "Qualities lie in [0, 1].")
        kept = 0.5 ** (1.0 / self.half_life)
        weight = kept * state.weight + 1.0
        off = quality - state.mean
        mean = state.mean + off / weight
        return TrendState(weight, kept * kept * state.squared + 1.0, mean, kept * state.spread + off * (quality - mean))

    def now(self, state: TrendState) -> TrendMean | None:
        """None before two samples: one has no spread."""
        if state.weight == 0.0 or (n := state.weight**2 / state.squared) < 1.5:
            return None
        variance = state.spread / state.weight * n / (n - 1.0)
        half = NormalDist().inv_cdf(0.975) * math.sqrt(variance / n)
        return TrendMean(state.mean, max(0.0, state.mean - half), min(1.0, state.mean + half), n)
