"""One query through a policy and its backends, from start to trace, in the caller's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.contracts import Backend
from routenlp.replay.recorded import Recorded
from routenlp.types import Answer, Query, Trace


@dataclass(frozen=True, slots=True)
class _Lookup:
    answers: Mapping[str, Answer]

    def answer(self, query: Query) -> Answer:
        return self.answers[query.id]


def serve(policy: Policy, backends: Mapping[str, Backend], query: Query) -> Trace:
    """Ask tiers until the policy stops. `backends`: by tier. Errors of backends pass through."""
    state: Ask | Done = start(policy, query)
    while isinstance(state, Ask):
        state = advance(policy, state, backends[state.tier].answer(query))
    return state.trace


def lookups(rows: Recorded) -> dict[str, Backend]:
    """For each tier a backend that hands out the answers in `rows`, by the query's id."""
    return {
        tier: _Lookup(dict(zip(rows.ids, (row[k] for row in rows.answers), strict=True)))
        for k, tier in enumerate(rows.tiers)
    }
