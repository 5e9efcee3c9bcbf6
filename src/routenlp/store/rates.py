"""Rate limits: so many requests a minute, evenly, with a burst. In memory, one number a key."""

from __future__ import annotations

from dataclasses import dataclass

BURST_S = 10.0
"""A key that was quiet may send at once what it could have sent in this time."""


@dataclass(frozen=True, slots=True)
class TooFast:
    """The request is one too many."""

    retry_after_s: float


class RateLimiter:
    """The generic cell rate algorithm (ITU-T I.371): of each key, the time by which its past requests are paid for.

    Memory is bounded by the number of keys with a limit. For one thread.
    """

    def __init__(self) -> None:
        self._paid_until_s: dict[str, float] = {}

    def admit(self, key_id: str, per_minute: int, now_s: float) -> TooFast | None:
        """None: go on. A refused request costs the key nothing. `now_s` must not go back; a monotonic clock does not.

        Over any time of T seconds at most 1 + (T + `BURST_S`) * per_minute / 60 requests pass.
        """
        each_s = 60.0 / per_minute
        paid_until_s = max(self._paid_until_s.get(key_id, now_s), now_s)
        ahead_s = paid_until_s - now_s
        # A limit so low that a burst holds less than one request still lets one pass.
        if ahead_s > BURST_S:
            return TooFast(ahead_s - BURST_S)
        self._paid_until_s[key_id] = paid_until_s + each_s
        return None
