"""Several endpoints of one tier, shared out by how many requests each has in progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from routenlp.backends.remote.breaker import Breaker


@dataclass(slots=True, eq=False)
class Endpoint:
    """One address, with what is known of it. Changes as requests come and go; belongs to one event loop."""

    url: str
    """That requests are posted to."""
    outstanding: int = 0
    breaker: Breaker = field(default_factory=Breaker)


def choose(
    endpoints: Sequence[Endpoint], now_s: float, *, avoid: Endpoint | None = None, last_resort: bool = False
) -> Endpoint | None:
    """The least busy endpoint whose breaker lets a request through, and of equals the first.

    `avoid` (the one that has just failed) is taken only where there is no other. `last_resort`: where every breaker
    is open, the least busy one nevertheless, for there is no tier to fall back on.
    """
    free = [endpoint for endpoint in endpoints if endpoint.breaker.allows(now_s)]
    if not free and last_resort:
        free = list(endpoints)
    others = [endpoint for endpoint in free if endpoint is not avoid] or free
    return min(others, key=lambda endpoint: endpoint.outstanding, default=None)
