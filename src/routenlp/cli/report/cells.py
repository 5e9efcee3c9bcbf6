"""Figures as text. What is not known says so, and is never 0."""

from __future__ import annotations

from datetime import UTC, datetime

from routenlp.replay.intervals import Interval

UNKNOWN = "unknown"
NONE = "none"


def usd(value: float | None) -> str:
    """Two decimals; none of thousands, and more under ten cents, so that no cost shows as none."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    digits = 0 if size >= 1000.0 else 2 if size >= 0.1 or size == 0.0 else 4 if size >= 0.001 else 6
    return f"{'−' if value < 0.0 else ''}${size:,.{digits}f}"


def usd_interval(value: Interval) -> str:
    """`$1,234 [$1,200, $1,270]`."""
    if value.estimate is None:
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{usd(value.estimate)} [interval unknown]"
    return f"{usd(value.estimate)} [{usd(value.low)}, {usd(value.high)}]"


def percent(value: float | None) -> str:
    """`12.3%`."""
    return UNKNOWN if value is None else f"{value:.1%}".replace("-", "−")


def percent_interval(value: Interval) -> str:
    """`12.3% [10.0%, 15.1%]`."""
    if value.estimate is None:
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{percent(value.estimate)} [interval unknown]"
    return f"{percent(value.estimate)} [{percent(value.low)}, {percent(value.high)}]"


def ratio(value: Interval) -> str:
    """`0.981 [0.970, 0.992]`."""
    if value.estimate is None:
        return UNKNOWN
    if value.low is None or value.high is None:
        return f"{value.estimate:.3f} [interval unknown]"
    return f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]"


def number(value: float | None, form: str = "g") -> str:
    """A figure in this form."""
    return UNKNOWN if value is None else format(value, form)


def day(at: int) -> str:
    """A day of UTC since 1970, as `2026-01-31`."""
    return moment(at * 86_400.0)[:10]


def moment(at_s: float) -> str:
    """`2026-01-31 12:00` of UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


def listed(names: list[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 change`, `2 changes`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
