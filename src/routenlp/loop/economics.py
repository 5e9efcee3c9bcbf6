"""Whether a turn pays, said before any money is spent, and when to stop turning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.types import FloatArray

LEAST_GAIN = 0.005
"""In cost ratio, the paper's epsilon: turns that surely gain less are not worth making."""
CONFIDENCE = 0.90
"""One-sided, of the bound that decides."""


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a turn lowers the cost ratio: positive is cheaper."""

    estimate: float
    low: float
    """One-sided lower bound at `CONFIDENCE`."""


@dataclass(frozen=True, slots=True)
class Outlay:
    """What a turn costs."""

    lessons: int
    usd_a_lesson: float
    """Of one teacher answer; 0 for answers that serving has paid already."""
    training_usd: float = 0.0
    upkeep_usd_a_day: float = 0.0
    """Such as keeping one more adapter loaded."""

    @property
    def usd(self) -> float:
        """Paid once."""
        return self.lessons * self.usd_a_lesson + self.training_usd


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After how many days a turn has earned what it cost; None: never."""

    days: float | None
    cautious_days: float | None
    """The same at the lower bound of the gain."""


def break_even(outlay: Outlay, *, daily_top_usd: float, gain: Gain) -> BreakEven:
    """cost of the turn / (daily always-top bill x gain - upkeep)."""
    return BreakEven(_days(outlay, daily_top_usd, gain.estimate), _days(outlay, daily_top_usd, gain.low))


def _days(outlay: Outlay, daily_top_usd: float, gain: float) -> float | None:
    a_day = daily_top_usd * gain - outlay.upkeep_usd_a_day
    return outlay.usd / a_day if a_day > 0.0 else None


def gain_from_draws(estimate: float, draws: FloatArray) -> Gain:
    """From bootstrap draws of (cost ratio before - cost ratio after), paired by query, shape (draws,).

    NaN draws, in which a ratio was undefined, count as losses. Without draws nothing is sure: the bound is -1.
    """
    if not len(draws):
        return Gain(estimate, -1.0)
    known = np.where(np.isnan(draws), -1.0, draws)
    return Gain(estimate, float(np.quantile(known, 1.0 - CONFIDENCE)))


def should_stop(gain: Gain, *, least: float = LEAST_GAIN) -> bool:
    """Whether the last turn's gain is not surely worth another: its lower bound is under `least`."""
    return gain.low < least


def expected_gain(values_usd: Sequence[float], low_usd: Sequence[float], *, top_bill_usd: float) -> Gain:
    """What a plan hopes for, as a share of the always-top bill over the same horizon: values of the clusters taken.

    Bounds of clusters are added, which is cautious: they would all have to be unlucky at once.
    """
    if top_bill_usd <= 0.0:
        return Gain(0.0, 0.0)
    return Gain(sum(values_usd) / top_bill_usd, sum(low_usd) / top_bill_usd)
