"""How long to wait before the next try."""

from __future__ import annotations

FIRST_S = 0.25
LONGEST_S = 8.0
PATIENCE_S = 20.0
"""The longest `retry-after` that is waited for; a longer one is handed to the client."""


def delay_s(attempt: int, retry_after_s: float | None, chance: float) -> float | None:
    """Seconds before try `attempt` + 1 (0 is the first try), None where waiting is pointless.

    Doubles from `FIRST_S` up to `LONGEST_S`, times 0.5 to 1 by `chance` in [0, 1), so that clients that failed
    together do not come back together. An endpoint that says when to come back is taken at its word.
    """
    if retry_after_s is not None:
        return None if retry_after_s > PATIENCE_S else retry_after_s + FIRST_S * chance
    return float(min(FIRST_S * 2**attempt, LONGEST_S) * (0.5 + 0.5 * chance))


def retry_after_s(value: str | None) -> float | None:
    """Of a header in seconds; None for none, for a date (rare, and clocks differ), and for nonsense."""
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return seconds if 0.0 <= seconds < 1e6 else None
