"""One query through a policy and its backends, from start to trace, in the caller's thread."""

from __future__ import annotations

from collections.abc import Mapping

from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.contracts import Backend
from routenlp.types import Query, Trace


def serve(policy: Policy, backends: Mapping[str, Backend], query: Query) -> Trace:
    """Ask tiers until the policy stops. `backends`: by tier. Errors of backends pass through."""
    state: Ask | Done = start(policy, query)
    while isinstance(state, Ask):
        state = advance(policy, state, backends[state.tier].answer(query))
    return state.trace
