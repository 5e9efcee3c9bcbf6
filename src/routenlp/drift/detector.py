"""The alarm: a Shiryaev-Roberts e-detector of a risk that has risen above its target.

An audit brings x, whose mean is at most 0 while the promise is kept (`watches`). For several bets l_j,

    R_t^(j) = (R_{t-1}^(j) + 1) (1 + l_j x_t),    R_0^(j) = 0,

and the alarm is raised when the mean of R_t^(j) over j reaches B. Each factor is positive and has a mean of at most 1
as long as E[x_t | past] <= 0, so mean R_t - t is a supermartingale, and the expected number of samples until a false
alarm is at least B, whatever the distribution of x (Shin, Ramdas and Rinaldo 2023: E-detectors; the statistic is
Shiryaev's and Roberts'). B = 365 x samples a day is one false alarm a year on average when the risk sits exactly at the
target, and fewer below it. The +1 lets every sample be the one at which the change came; the bets differ in the size of
the rise that they find soonest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from routenlp.drift.watches import Watch
from routenlp.errors import DataError

DAYS_A_YEAR = 365.0
_MOST = 1e300
"""Where a statistic stops rising: far over every B, and finite."""


@dataclass(frozen=True, slots=True)
class State:
    """All that a detector remembers; JSON restores it exactly."""

    statistics: tuple[float, ...]
    """R^(j), 0 or more."""
    seen: int
    """Samples since it began."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Of one task and one guarantee. `see` is O(1) and pure: states are kept by the caller, for each task."""

    watch: Watch
    false_alarm_samples: float
    """B: samples until a false alarm, on average at the least, when the risk is exactly at its target."""

    def __post_init__(self) -> None:
        """Raises `DataError` for a B under 1, which would be an alarm at every sample."""
        if not 1.0 <= self.false_alarm_samples < _MOST:
            raise DataError("samples until a false alarm", f"are {self.false_alarm_samples}", "Give at least 1.")

    def start(self) -> State:
        """Of a detector that has seen nothing: at first, and after each alarm and recalibration."""
        return State((0.0,) * len(self.watch.bets), 0)

    def see(self, state: State, x: float) -> State:
        """The state after one more sample. Raises `DataError` for an x that the watch rules out, NaN among them."""
        if not x >= self.watch.lowest - 1e-9 or math.isinf(x):
            raise DataError("audited loss", f"is {x}", f"It must be a number of at least {self.watch.lowest:g}.")
        moved = tuple(
            min((r + 1.0) * (1.0 + bet * x), _MOST) for r, bet in zip(state.statistics, self.watch.bets, strict=True)
        )
        return State(moved, state.seen + 1)

    def level(self, state: State) -> float:
        """How near the alarm is: 0 at the start, 1 and more where it is raised."""
        return math.fsum(state.statistics) / len(state.statistics) / self.false_alarm_samples

    def alarmed(self, state: State) -> bool:
        """Whether the alarm is raised."""
        return self.level(state) >= 1.0


def once_a_year(watch: Watch, samples_a_day: float) -> Detector:
    """At most one false alarm a year on average. `samples_a_day`: those that the watch looks at, not all audits.

    Where they are fewer than one in a year, the detector may raise an alarm at every sample, and no fewer are possible.
    """
    if not samples_a_day >= 0.0:
        raise DataError("audits a day", f"are {samples_a_day}", "Count those that the detector sees: 0 or more.")
    return Detector(watch, max(1.0, DAYS_A_YEAR * samples_a_day))
