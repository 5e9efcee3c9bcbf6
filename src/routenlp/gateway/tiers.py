"""A tier as the gateway asks it: a whole answer with its price, or a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from routenlp.backends.kept_tokens import packed
from routenlp.backends.openai_compatible import completion
from routenlp.backends.openai_compatible.body import Wanted, upstream_body, without
from routenlp.backends.openai_compatible.completion import Completion, Usage
from routenlp.backends.openai_compatible.events import as_events
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError, charge, is_unanswered
from routenlp.backends.remote.upstream import ByteStream, Upstream, names_logprobs
from routenlp.gateway.request import ChatRequest
from routenlp.portfolio.tiers import Tier
from routenlp.types import Answer


class Whole(msgspec.Struct, frozen=True, eq=False):
    """A whole answer."""

    answer: Answer
    completion: Completion
    body: bytes
    """As the client gets it."""
    scored: bytes | None = None
    """As the endpoint sent it, with log-probabilities, where it was asked for them."""

    def kept_tokens(self) -> str | None:
        """What a commit rule needs to know of its tokens (`backends.kept_tokens`); None where they are not known."""
        tokens = completion.read_tokens(self.scored) if self.scored is not None else None
        return None if tokens is None else packed(self.answer.text, *tokens)


class LiveTier(Protocol):
    """Answers for one tier while the gateway runs."""

    @property
    def tier(self) -> Tier:
        """Name and price."""

    @property
    def streams(self) -> bool:
        """Whether it speaks as it goes. One that does not is asked for a whole answer, which is sent as few events."""

    @property
    def scored_streams(self) -> bool:
        """Whether its stream can carry log-probabilities, so that what is there of an answer has a score."""

    @property
    def total_s(self) -> float:
        """How long an answer may take."""

    @property
    def state(self) -> State:
        """Of its breaker."""

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:
        """Raises `UpstreamError`. `scored`: ask for what a score needs. `last`: there is no tier to fall back on.

        Calls that are billed although they gave no answer are on the error, or the cancellation (`failures.paid_usd`).
        """

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> ByteStream:
        """Raises `UpstreamError` before the first byte. `scored`: ask for log-probabilities, where it gives any."""


@dataclass(frozen=True, slots=True)
class HeldStream:
    """A whole answer as the events of a stream, all there at once."""

    first: bytes

    async def rest(self) -> AsyncIterator[bytes]:
        """Nothing."""
        return
        yield b""

    def close(self) -> None:
        """Nothing is open."""


def held(whole: Whole) -> HeldStream:
    """Of a tier that does not speak as it goes."""
    return HeldStream(as_events(whole.body, show_usage=True))


class OpenAITier:
    """A tier behind `upstream`."""

    def __init__(
        self,
        tier: Tier,
        upstream: Upstream,
        *,
        logprobs: str,
        clock: Callable[[], float],
        drop: Sequence[str] = (),
    ) -> None:
        """`logprobs`: `auto`, `always` or `never`. `drop`: fields that are not sent."""
        if tier.model is None:
            raise ValueError(f"tier {tier.name!r} has no model")
        self._tier = tier
        self._model = tier.model
        self._upstream = upstream
        self._clock = clock
        self._asks_logprobs = logprobs != "never"
        self._may_stop_asking = logprobs == "auto"
        self._drop = tuple(drop)

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self._tier

    @property
    def streams(self) -> bool:
        """Always."""
        return True

    @property
    def scored_streams(self) -> bool:
        """Until the endpoint refuses log-probabilities."""
        return self._asks_logprobs

    @property
    def total_s(self) -> float:
        """As the settings say."""
        return self._upstream.total_s

    @property
    def state(self) -> State:
        """Of its endpoints' breakers, the least open."""
        return self._upstream.state

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:
        """One answer, complete, priced by the tokens that the endpoint reports."""
        begun_s = self._clock()
        asks = scored and self._asks_logprobs and not request.wants_logprobs
        try:
            body = await self._complete(request, asks, limit_s, last)
        except UpstreamError as error:
            if not (asks and self._may_stop_asking and names_logprobs(error)):
                raise
            self._asks_logprobs = asks = False
            body = await self._complete(request, asks, limit_s, last)
        latency_s = self._clock() - begun_s
        found = completion.read(body)
        if found is None or (found.empty and not last):
            raise UpstreamError(self._tier.name, Kind.GARBAGE, "answered with no chat completion that says anything")
        usage = found.usage or completion.counted_usage(request.everything, found.text)
        shown = completion.without_logprobs(body) if asks else body
        scored_body = body if found.token_probs is not None else None
        return Whole(answer_of(self._tier, found, usage, latency_s), found, shown, scored_body)

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> ByteStream:
        """A stream with its first bytes."""
        asks = scored and self._asks_logprobs and not request.wants_logprobs
        try:
            return await self._open(request, asks, last)
        except UpstreamError as error:
            if not (asks and self._may_stop_asking and names_logprobs(error)):
                raise
            self._asks_logprobs = False
            return await self._open(request, False, last)

    async def _open(self, request: ChatRequest, logprobs: bool, last: bool) -> ByteStream:
        body = upstream_body(without(request.fields, self._drop), self._model, Wanted(stream=True, logprobs=logprobs))
        try:
            return await self._upstream.open(body, last_resort=last)
        except (UpstreamError, asyncio.CancelledError) as error:
            charge_unanswered(error, request, self._tier)
            raise

    async def _complete(self, request: ChatRequest, logprobs: bool, limit_s: float | None, last: bool) -> bytes:
        body = upstream_body(without(request.fields, self._drop), self._model, Wanted(stream=False, logprobs=logprobs))
        try:
            return await self._upstream.complete(body, limit_s=limit_s, last_resort=last)
        except (UpstreamError, asyncio.CancelledError) as error:
            charge_unanswered(error, request, self._tier)
            raise


def charge_unanswered(error: BaseException, request: ChatRequest, tier: Tier) -> None:
    """Charges a call whose answer was not waited for, though an endpoint had got it, by what was sent: it is billed all
    the same. What it had written by then nobody knows, and nothing is counted for it.
    """
    if is_unanswered(error):
        charge(error, completion.counted_usage(request.everything, "").cost_usd(tier.price))


def answer_of(tier: Tier, found: Completion, usage: Usage, latency_s: float) -> Answer:
    """Priced at the tier's price."""
    tokens = usage.input_tokens, usage.output_tokens
    return Answer(tier.name, found.text, found.token_probs, *tokens, usage.cost_usd(tier.price), latency_s)


Tiers = Mapping[str, LiveTier]
