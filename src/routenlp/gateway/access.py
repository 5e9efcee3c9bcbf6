"""Who may ask, how often, and for how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routenlp.gateway.aim import Aim
from routenlp.gateway.errors import ApiError
from routenlp.gateway.live import Live
from routenlp.gateway.long_tier import beyond_windows
from routenlp.gateway.request import ChatRequest
from routenlp.store.rates import RateLimiter
from routenlp.store.sql.budgets import Ledger, Refused, Reservation
from routenlp.store.sql.keys import KeyRing, KeyRow

ASSUMED_OUTPUT_TOKENS = 4_096
"""Put aside for an answer whose length the client does not bound."""
MOST_OUTPUT_TOKENS = 10**9
"""More than any model writes: a client's number of four hundred digits is no amount of money."""
_CHARS_A_TOKEN = 3
"""Few, so that more is put aside than is spent."""
_BEARER = b"bearer "


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """Checks of one gateway. Without `keys` everybody may ask; without `ledger` nobody's spending is counted."""

    keys: KeyRing | None
    ledger: Ledger | None
    rates: RateLimiter
    clock: Callable[[], float]
    """Seconds that do not go back."""
    wall_clock: Callable[[], float]
    """Seconds since 1970."""

    def caller(self, headers: Mapping[bytes, bytes]) -> KeyRow | None:
        """The key of this request, None where none is needed; raises `ApiError` 401 and 429."""
        if self.keys is None:
            return None
        given = headers.get(b"authorization", b"")
        if given[:7].lower() != _BEARER:
            raise ApiError(401, "No API key was given.", code="missing_api_key")
        key = self.keys.verify(given[7:].strip().decode("latin-1"), self.wall_clock())
        if key is None:
            raise ApiError(401, "The API key is wrong or was revoked.", code="invalid_api_key")
        if key.requests_per_minute is not None:
            late = self.rates.admit(key.id, key.requests_per_minute, self.clock())
            if late is not None:
                raise ApiError(
                    429,
                    f"The key is over its {key.requests_per_minute} requests a minute.",
                    type_="rate_limit_error",
                    code="rate_limit_exceeded",
                    headers={"retry-after": f"{late.retry_after_s:.0f}"},
                )
        return key

    def reserve(self, key: KeyRow | None, aim: Aim, request: ChatRequest, live: Live) -> Reservation | None:
        """Puts aside the most that the request can cost; raises `ApiError` 403 and 429."""
        if key is not None and not key.may_ask(aim.served.task):
            raise ApiError(403, f"The key may not ask task {aim.served.task!r}.", code="task_not_allowed")
        if self.ledger is None:
            return None
        most_usd = _most_usd(aim, request, live)
        held = self.ledger.reserve(key.id if key is not None else None, aim.served.task, most_usd, self.wall_clock())
        if isinstance(held, Refused):
            raise ApiError(
                429,
                f"The budget of this {held.scope} (${held.budget.usd:g} per {held.budget.period}) is used up.",
                type_="insufficient_quota",
                code="insufficient_quota",
            )
        return held

    def settle(self, held: Reservation | None, cost_usd: float) -> None:
        """Charges what the request did cost."""
        if self.ledger is not None and held is not None:
            if cost_usd > 0.0:
                self.ledger.settle(held, cost_usd)
            else:
                self.ledger.release(held)


def _most_usd(aim: Aim, request: ChatRequest, live: Live) -> float:
    read = request.size_bytes // _CHARS_A_TOKEN + 1
    written = (request.most_tokens or ASSUMED_OUTPUT_TOKENS) * request.n
    within = min(max(written, 0), MOST_OUTPUT_TOKENS)
    in_parts = beyond_windows({tier: live.tiers[tier] for tier in aim.tiers}, request)
    extra_usd = sum(found.extra_usd for found in in_parts.values())
    return sum(live.tiers[tier].tier.price.cost_usd(read, within) for tier in aim.tiers) + extra_usd
