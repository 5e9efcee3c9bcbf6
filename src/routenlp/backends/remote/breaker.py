"""A circuit breaker: an endpoint that fails again and again is left alone for a while, then tried by one request."""

from __future__ import annotations

from enum import IntEnum

FAILURES = 5
"""In a row, that open it."""
REST_S = 10.0
"""How long it stays open before one request may try."""


class State(IntEnum):
    """As the metric `routenlp_breaker_state` shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Counts failures in a row. Times are seconds of any clock that does not go back, given as arguments."""

    __slots__ = ("_failed", "_probing_since_s", "_reopens_s")

    def __init__(self) -> None:
        self._failed = 0
        self._reopens_s = 0.0
        self._probing_since_s: float | None = None

    def state(self, now_s: float) -> State:
        """Closed, open, or half open: due for a try."""
        if self._failed < FAILURES:
            return State.CLOSED
        return State.OPEN if now_s < self._reopens_s else State.HALF_OPEN

    def allows(self, now_s: float) -> bool:
        """Whether a request may go through: half open, one at a time, and a lost one is forgotten after a rest."""
        state = self.state(now_s)
        if state is State.HALF_OPEN:
            return self._probing_since_s is None or now_s - self._probing_since_s > REST_S
        return state is State.CLOSED

    def began(self, now_s: float) -> None:
        """A request was sent."""
        if self.state(now_s) is State.HALF_OPEN:
            self._probing_since_s = now_s

    def succeeded(self) -> None:
        """Closes it."""
        self._failed = 0
        self._probing_since_s = None

    def failed(self, now_s: float) -> None:
        """One more failure in a row; from `FAILURES` on it stays open for `REST_S`."""
        self._failed += 1
        self._probing_since_s = None
        if self._failed >= FAILURES:
            self._reopens_s = now_s + REST_S
