"""A tier behind Anthropic's Messages API, asked in OpenAI's words. It gives no log-probabilities, so its answers have
no score: a rule that knows its quality otherwise accepts them, a threshold never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from routenlp.backends.anthropic import answer
from routenlp.backends.anthropic.body import messages_body
from routenlp.backends.anthropic.stream import StreamError, Translation
from routenlp.backends.anthropic.thoughts import Thoughts
from routenlp.backends.anthropic.unsayable import Unsayable
from routenlp.backends.openai_compatible import completion
from routenlp.backends.openai_compatible.body import without
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.backends.remote.sse import BadEvent
from routenlp.backends.remote.upstream import ByteStream, Upstream
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.tiers import Whole, answer_of, charge_unanswered
from routenlp.portfolio.tiers import Tier


class AnthropicTier:
    """A tier behind `upstream`."""

    streams = True
    scored_streams = False

    def __init__(
        self,
        tier: Tier,
        upstream: Upstream,
        *,
        most_tokens: int,
        drop: Sequence[str],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`most_tokens`: of an answer, where the client sets no bound. `drop`: fields that are not sent."""
        if tier.model is None:
            raise ValueError(f"tier {tier.name!r} has no model")
        self._tier = tier
        self._model = tier.model
        self._upstream = upstream
        self._most_tokens = most_tokens
        self._drop = tuple(drop)
        self._thoughts = Thoughts()
        self._clock = clock
        self._wall_clock = wall_clock

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self._tier

    @property
    def total_s(self) -> float:
        """As the settings say."""
        return self._upstream.total_s

    @property
    def state(self) -> State:
        """Of its endpoints' breakers, the least open."""
        return self._upstream.state

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:  # noqa: ARG002
        """One answer, complete, priced by the tokens that the endpoint reports."""
        begun_s = self._clock()
        body = self._body(request, stream=False)
        try:
            said = await self._upstream.complete(body, limit_s=limit_s, last_resort=last)
        except (UpstreamError, asyncio.CancelledError) as error:
            self._told(error, request)
            raise
        latency_s = self._clock() - begun_s
        shown = answer.completion(said, self._wall_clock())
        found = completion.read(shown) if shown is not None else None
        if shown is None or found is None or (found.empty and not last):
            raise UpstreamError(self._tier.name, Kind.GARBAGE, "answered with no message that says anything")
        self._thoughts.keep(answer.turn_to_keep(said))
        usage = found.usage or completion.counted_usage(request.everything, found.text)
        return Whole(answer_of(self._tier, found, usage, latency_s), found, shown)

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> ByteStream:  # noqa: ARG002
        """A stream, translated as it comes."""
        try:
            opened = await self._upstream.open(self._body(request, stream=True), last_resort=last)
        except (UpstreamError, asyncio.CancelledError) as error:
            self._told(error, request)
            raise
        return _Translated(self._tier.name, opened, Translation(self._wall_clock()), self._thoughts)

    def _told(self, error: UpstreamError | asyncio.CancelledError, request: ChatRequest) -> None:
        if isinstance(error, UpstreamError):
            error.body = answer.error_body(error.body)
        charge_unanswered(error, request, self._tier)

    def _body(self, request: ChatRequest, *, stream: bool) -> bytes:
        fields = without(request.fields, self._drop)
        try:
            return messages_body(
                fields, self._model, stream=stream, most_tokens=self._most_tokens, thoughts=self._thoughts.of
            )
        except Unsayable as unsayable:
            raise UpstreamError(self._tier.name, Kind.UNSAYABLE, f"cannot be asked this: {unsayable}") from unsayable


class _Translated:
    """What comes from `opened`, in OpenAI's words."""

    first = b""

    def __init__(self, tier: str, opened: ByteStream, translation: Translation, thoughts: Thoughts) -> None:
        self._tier = tier
        self._opened = opened
        self._translation = translation
        self._thoughts = thoughts

    async def rest(self) -> AsyncIterator[bytes]:
        """Everything; raises `UpstreamError`, also for an error that the stream itself reports."""
        yield self._feed(self._opened.first)
        async for data in self._opened.rest():
            yield self._feed(data)

    def close(self) -> None:
        """Safe to call twice."""
        self._opened.close()

    def _feed(self, data: bytes) -> bytes:
        try:
            said = self._translation.feed(data)
        except BadEvent as exc:
            raise UpstreamError(self._tier, Kind.GARBAGE, str(exc)) from exc
        except StreamError as exc:
            raise UpstreamError(self._tier, Kind.STATUS, str(exc), status=exc.status) from exc
        if self._translation.ended:
            self._thoughts.keep(self._translation.turn)
        return said
