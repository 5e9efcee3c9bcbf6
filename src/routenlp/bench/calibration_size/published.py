"""The paper's table of coverage violations by calibration size, and what its own intervals say of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from routenlp.replay.intervals import Interval, wilson

SIZES = (100, 250, 500, 1_000)
"""Calibration rows, as published."""
PUBLISHED: Mapping[int, Interval] = MappingProxyType(
    {
        100: Interval(0.072, 0.034, 0.144),
        250: Interval(0.058, 0.034, 0.096),
        500: Interval(0.042, 0.025, 0.066),
        1_000: Interval(0.039, 0.027, 0.055),
    }
)
"""The "coverage violation rate" of RouteNLP (arXiv 2604.23577) with its 95% Wilson interval, by calibration rows."""
PUBLISHED_SHIFT = 0.081
"""The same under domain shift; no interval was given."""
_MOST_ROWS = 5_000


def rows_behind(published: Interval) -> int:
    """How many tested rows make a Wilson interval of the published width around the published rate.

    Good to about a tenth: rates and bounds were rounded to 0.1%. Raises `ValueError` without all three numbers.
    """
    rate, low, high = published.estimate, published.low, published.high
    if rate is None or low is None or high is None:
        raise ValueError("an interval without an estimate or a bound has no width")

    def off(rows: int) -> float:
        found = wilson_at(rate, rows)
        return abs((found.low or 0.0) - low) + abs((found.high or 1.0) - high)

    return min(range(10, _MOST_ROWS), key=off)


def wilson_at(rate: float, rows: float) -> Interval:
    """Wilson's interval of a mean rate, where rate x rows need not be whole: interpolated between the two next.

    `rate` in [0, 1]; `rows` are rounded to at least one.
    """
    whole = max(round(rows), 1)
    below = min(int(rate * whole), whole - 1)
    part = rate * whole - below
    low, high = wilson(below, whole), wilson(below + 1, whole)
    return Interval(rate, _between(low.low, high.low, part), _between(low.high, high.high, part))


def _between(first: float | None, second: float | None, part: float) -> float | None:
    return None if first is None or second is None else (1.0 - part) * first + part * second
