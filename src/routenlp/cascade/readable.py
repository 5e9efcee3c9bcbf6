"""Which tiers can read a query at all, and what reading it in parts adds to their cost and time.

A policy is fitted to, and certified for, queries that a tier reads in one call. Of a longer one the rule decides with
what is known of it: a tier that it does not fit is not called, as one that is too slow is not, and a tier that reads it
in parts is as dear, and as slow, as all those calls. What comes of that is never a cheaper call than the policy's
own: a certificate speaks of the policy by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from routenlp.cascade.policy import Policy
from routenlp.types import Call, Estimate, Route, Step, Stop


@dataclass(frozen=True, slots=True)
class Beyond:
    """What a query that does not fit one call of a tier takes of it."""

    readable: bool
    """False: the tier is not called."""
    extra_usd: float = 0.0
    """Of all calls, over one that could hold it."""
    rounds: int = 1
    """Calls one after the other."""


def heed(route: Route, beyond: Mapping[str, Beyond]) -> Route:
    """`route` of a query that does not fit the tiers in `beyond`."""
    too_long = tuple(name for name, found in beyond.items() if not found.readable)
    return replace(route, too_long=too_long, estimates=tuple(_longer(e, beyond.get(e.tier)) for e in route.estimates))


def next_readable(policy: Policy, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
    """The policy's own verdict; of a query that is too long for some tier, a call of a dearer one where the rule then
    prefers that, or where its own choice cannot read it."""
    if not route.too_long and not any(estimate.extra_usd or estimate.rounds > 1 for estimate in route.estimates):
        return policy.next(route, steps)
    usual = tuple(_longer(estimate, None) for estimate in route.estimates)
    itself = policy.next(replace(route, estimates=usual, too_long=()), steps)
    if isinstance(itself, Stop):
        return itself
    shifted, at = policy.next(route, steps), policy.portfolio.position
    if isinstance(shifted, Call) and shifted.tier not in route.too_long and at(shifted.tier) > at(itself.tier):
        return shifted
    if itself.tier not in route.too_long:
        return itself
    dearer = [name for name in policy.portfolio.names[at(itself.tier) + 1 :] if name not in route.too_long]
    tier = dearer[0] if dearer else policy.portfolio.top
    return Call(tier, f"{itself.tier} cannot read so long a query, {tier} is the next that may")


def _longer(estimate: Estimate, found: Beyond | None) -> Estimate:
    extra_usd, rounds = (0.0, 1) if found is None else (found.extra_usd, found.rounds)
    return replace(estimate, extra_usd=extra_usd, rounds=rounds)
