"""One query through the machine itself, over recorded streams: what the gateway does, without a network or a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routenlp.backends.generations import Generation
from routenlp.cascade.commit import HOLD, Escalate, Hold, Judged, Prefix, Release
from routenlp.cascade.machine import Ask, Done, advance, cancelled, prefix, released, start
from routenlp.cascade.policy import Policy
from routenlp.errors import MissingData
from routenlp.types import Answer, Query, Trace


@dataclass(frozen=True, slots=True)
class StreamSpeed:
    """How fast a tier is, in seconds."""

    prefill_s: float
    """Until it begins to write."""
    token_s: float


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """A tier's recorded answer to one query."""

    said: Generation
    speed: StreamSpeed


@dataclass(frozen=True, slots=True)
class StreamedQuery:
    """How it went."""

    trace: Trace
    first_token_s: float
    """From the query to the first token that its client sees; the last tier's own stream is passed on."""


def stream_query(policy: Policy, query: Query, recorded: Mapping[str, RecordedStream]) -> StreamedQuery:
    """Runs the query, streaming wherever the policy has a commit rule. Raises `MissingData` for a tier not recorded."""
    ask: Ask | Done = start(policy, query)
    waited_s = 0.0
    while isinstance(ask, Ask):
        if ask.tier not in recorded:
            raise MissingData(
                f"query {query.id!r}", f"has no recorded answer of {ask.tier!r}", "Record every tier that may be asked."
            )
        stream = recorded[ask.tier]
        verdict, tokens = _decided(policy, ask, stream.said)
        top = ask.tier == policy.portfolio.names[-1]
        until = 1 if top else tokens if not isinstance(verdict, Hold) else stream.said.output_tokens
        waited_s += stream.speed.prefill_s + stream.speed.token_s * until
        ask = _moved(policy, ask, stream.said, verdict, tokens)
    return StreamedQuery(ask.trace, waited_s)


def _decided(policy: Policy, ask: Ask, said: Generation) -> tuple[Judged, int]:
    for tokens in range(1, len(said.token_probs) + 1):
        verdict = prefix(policy, ask, Prefix(said.text_after(tokens), said.token_probs[:tokens]))
        if not isinstance(verdict, Hold):
            return verdict, tokens
    return HOLD, len(said.token_probs)


def _moved(policy: Policy, ask: Ask, said: Generation, verdict: Judged, tokens: int) -> Ask | Done:
    if isinstance(verdict, Escalate):
        return cancelled(policy, ask, _answer(policy, ask.tier, said, tokens), verdict)
    whole = _answer(policy, ask.tier, said, None)
    return released(policy, ask, whole, verdict) if isinstance(verdict, Release) else advance(policy, ask, whole)


def _answer(policy: Policy, tier: str, said: Generation, tokens: int | None) -> Answer:
    """The first `tokens` tokens, with what they cost; None: the whole answer."""
    price = policy.portfolio.tiers[policy.portfolio.position(tier)].price
    paid = said.output_tokens if tokens is None else tokens
    text = said.answer if tokens is None else said.text_after(tokens)
    probs = said.token_probs[:tokens] or None
    return Answer(tier, text, probs, said.input_tokens, paid, price.cost_usd(said.input_tokens, paid), 0.0)
