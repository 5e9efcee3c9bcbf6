"""Money in whole nano-dollars, so that sums are exact and a reopened store has the very balance that was lost.

A token of the cheapest model costs tens of them; 63 bits hold nine thousand million dollars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from routenlp.errors import SettingsError

NANOS_PER_USD = 1_000_000_000
MOST_USD = 1e9
"""No budget is larger."""
DAY_S = 86_400
Period = Literal["day", "month", "total"]
PERIODS: tuple[Period, ...] = ("day", "month", "total")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `usd` per calendar day or month of UTC, or in all."""

    usd: float
    period: Period = "month"

    def __post_init__(self) -> None:
        """Raises `SettingsError` for a negative or endless amount and for an unknown period."""
        if not (math.isfinite(self.usd) and 0.0 <= self.usd <= MOST_USD):
            raise SettingsError("budget", f"is {self.usd}", "Give US dollars from 0; leave it out for no limit.")
        if self.period not in PERIODS:
            raise SettingsError("budget period", f"is {self.period!r}", f"Use one of {', '.join(PERIODS)}.")

    @property
    def nanos(self) -> int:
        """The same in nano-dollars."""
        return nanos(self.usd)


def nanos(usd: float) -> int:
    """The nearest whole nano-dollar; raises `OverflowError` or `ValueError` for what is no amount."""
    return _storable(round(usd * NANOS_PER_USD))


def nanos_above(usd: float) -> int:
    """The next whole nano-dollar upward: what is put aside is never less than what was asked."""
    return _storable(math.ceil(usd * NANOS_PER_USD))


def usd_of(amount_nanos: int) -> float:
    """In US dollars."""
    return amount_nanos / NANOS_PER_USD


def day_of(now_s: float) -> int:
    """Days of UTC since 1970."""
    return int(now_s // DAY_S)


def first_day(period: Period, day: int) -> int:
    """The day on which the period that holds `day` began; 0 for `total`."""
    if period == "total":
        return 0
    if period == "day":
        return day
    return day - (datetime.fromtimestamp(day * DAY_S, UTC).day - 1)


def _storable(amount: int) -> int:
    if abs(amount) >= 1 << 63:
        raise OverflowError(f"{amount} nano-dollars do not fit into 64 bits")
    return amount
