"""A tier whose context has an end. What is longer is not sent to it, or it is read in parts where the settings say so.

    fits ─▶ asked as it is                                     endpoint: too long ─┐
    does not fit ─┬─ escalate ─▶ TOO_LONG, unasked: the next tier                  │
                  └─ map_reduce ─▶ notes on each part, side by side ─▶ last call ◀─┘

The last tier of a task, which nobody stands behind, is asked all the same: an estimate may be wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from routenlp.backends.openai_compatible.completion import Usage
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError, charge, paid_usd
from routenlp.backends.remote.upstream import ByteStream
from routenlp.cascade.long_input import STRETCHES, Map, Reader, Reduce, Window, added_up, foresee
from routenlp.cascade.readable import Beyond
from routenlp.gateway.long_request import LongText, long_text, note_request, readable_in_parts, with_text
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.tiers import LiveTier, Whole, held
from routenlp.portfolio.prices import Cached
from routenlp.portfolio.tiers import Tier

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a request was asked: what `LiveTier.whole` was given."""

    request: ChatRequest
    scored: bool
    until_s: float | None
    """Of the clock; None: there is no limit but the tier's own."""
    last: bool


@dataclass(slots=True, eq=False)
class _Bill:
    """The calls of one query but the last one, as they are made."""

    notes: list[Whole] = field(default_factory=list)
    unanswered_usd: float = 0.0
    """For calls that were broken off, or late."""

    @property
    def usd(self) -> float:
        return sum(note.answer.cost_usd for note in self.notes) + self.unanswered_usd


class LongTier:
    """`inner` behind a window."""

    def __init__(self, inner: LiveTier, window: Window, *, clock: Callable[[], float]) -> None:
        self.inner = inner
        self.window = window
        self._clock = clock

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self.inner.tier

    @property
    def streams(self) -> bool:
        """As the inner one; what was read in parts comes as few events."""
        return self.inner.streams

    @property
    def scored_streams(self) -> bool:
        """As the inner one's; what was read in parts has none (`beyond`)."""
        return self.inner.scored_streams

    @property
    def total_s(self) -> float:
        """As the inner one's."""
        return self.inner.total_s

    @property
    def state(self) -> State:
        """The inner one's: a query that does not fit says nothing of an endpoint's health."""
        return self.inner.state

    def beyond(self, request: ChatRequest) -> Beyond | None:
        """What a request that does not fit takes; None for one that fits."""
        long = self._long(request)
        if long is None:
            return None
        parts = foresee(long.tokens, long.other_tokens, self.window, request.most_tokens)
        if not self._reads_in_parts(request) or parts is None:
            return Beyond(readable=False)
        price = self.tier.price
        answer = self.window.tokens - self.window.left(request.most_tokens)
        at_once = price.cost_usd(long.tokens + long.other_tokens, answer)
        extra = price.cost_usd(parts.input_tokens, parts.output_tokens) - at_once
        return Beyond(True, max(extra, 0.0), parts.rounds)

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:
        """As the inner one's, or read in parts, with the tokens and cost of all calls. Raises `UpstreamError`."""
        asked = _Asked(request, scored, None if limit_s is None else self._clock() + limit_s, last)
        long = self._long(request)
        if long is not None and self._reads_in_parts(request):
            return await self._in_parts(asked, long)
        if long is not None and not last:
            raise self._too_long()
        try:
            return await self.inner.whole(request, scored=scored, limit_s=limit_s, last=last)
        except UpstreamError as error:
            if error.kind is not Kind.TOO_LONG or not self._reads_in_parts(request):
                raise
            long = long_text(request)
            if long is None:
                raise
        return await self._in_parts(asked, long)

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> ByteStream:
        """The inner one's; of a request that is read in parts, the whole answer as few events."""
        long = self._long(request)
        if long is not None and self._reads_in_parts(request):
            return held(await self.whole(request, scored=False, limit_s=None, last=last))
        if long is not None and not last:
            raise self._too_long()
        return await self.inner.stream(request, last=last, scored=scored)

    def _long(self, request: ChatRequest) -> LongText | None:
        """None for a request that fits, as far as can be seen."""
        room = self.window.left(request.most_tokens)
        if request.size_bytes <= room:  # no token is shorter than a byte
            return None
        found = long_text(request)
        return None if found is None or found.tokens + found.other_tokens <= room else found

    def _reads_in_parts(self, request: ChatRequest) -> bool:
        return self.window.how == "map_reduce" and readable_in_parts(request)

    async def _in_parts(self, asked: _Asked, long: LongText) -> Whole:
        """With larger and larger estimates of tokens, where the endpoint finds too long what should have fitted."""
        begun_s, bill = self._clock(), _Bill()
        try:
            for stretch in STRETCHES:
                try:
                    last = await self._read(asked, long, stretch, bill)
                except UpstreamError as error:
                    if error.kind is not Kind.TOO_LONG or stretch == STRETCHES[-1]:
                        raise
                else:
                    if last is None:
                        raise self._too_long()
                    return _added_up(last, bill.notes, self._clock() - begun_s)
        except (UpstreamError, asyncio.CancelledError) as error:
            charge(error, bill.usd)
            raise
        raise AssertionError  # the last stretch returns or raises

    async def _read(self, asked: _Asked, long: LongText, stretch: float, bill: _Bill) -> Whole | None:
        """The last call's answer; None where it does not get short enough. All other calls go on the bill."""
        room = int(self.window.left(asked.request.most_tokens) - stretch * long.other_tokens)
        reader = Reader(self.window, room, stretch)
        step: Map | Reduce | None = reader.begin(long.text)
        while isinstance(step, Map):
            found = await self._notes(asked, step.prompts, bill)
            step = reader.after(step, [note.answer.text for note in found])
        if step is None:
            return None
        request = with_text(asked.request, long, step.text)
        return await self._call(replace(asked, request=request), bill)

    async def _notes(self, asked: _Asked, prompts: Sequence[str], bill: _Bill) -> list[Whole]:
        """A note on each, in order. On the bill they are as soon as they are there.

        A part that is found too long lets the others end: what they cost is known then.
        """
        turn, failures = asyncio.Semaphore(self.window.at_once), list[UpstreamError]()

        async def note(prompt: str) -> Whole | None:
            async with turn:
                if failures:
                    return None
                request = note_request(asked.request, prompt, self.window.note_tokens)
                try:
                    found = await self._call(replace(asked, request=request, scored=False), bill)
                except UpstreamError as error:
                    failures.append(error)
                    if error.kind is not Kind.TOO_LONG:
                        raise
                    return None
            bill.notes.append(found)
            return found

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(note(prompt)) for prompt in prompts]
        except BaseExceptionGroup as failed:
            raise next((e for e in failed.exceptions if isinstance(e, UpstreamError)), failed.exceptions[0]) from None
        if failures:
            raise failures[0]
        return [found for task in tasks if (found := task.result()) is not None]

    async def _call(self, asked: _Asked, bill: _Bill) -> Whole:
        """One call's answer. One that is broken off, or late, goes on the bill."""
        left_s = self._left_s(asked)
        try:
            return await self.inner.whole(asked.request, scored=asked.scored, limit_s=left_s, last=asked.last)
        except (asyncio.CancelledError, UpstreamError) as error:
            bill.unanswered_usd += paid_usd(error)
            raise

    def _left_s(self, asked: _Asked) -> float | None:
        """For the next call; None: there is no limit. Raises `UpstreamError` where it is over."""
        left_s = None if asked.until_s is None else asked.until_s - self._clock()
        if left_s is not None and left_s <= 0.0:
            raise UpstreamError(self.tier.name, Kind.TIMEOUT, "was not done with reading in parts in time")
        return left_s

    def _too_long(self) -> UpstreamError:
        problem = f"holds {self.window.tokens:,} tokens, and the query does not fit"
        remedy = "The next tier is asked; `long_input: map_reduce` would read it in parts."
        return UpstreamError(self.tier.name, Kind.TOO_LONG, problem, remedy=remedy)


def beyond_windows(tiers: Mapping[str, LiveTier], request: ChatRequest) -> dict[str, Beyond]:
    """By tier that the request does not fit, what it takes of it."""
    found = {name: tier.beyond(request) for name, tier in tiers.items() if isinstance(tier, LongTier)}
    return {name: beyond for name, beyond in found.items() if beyond is not None}


def unwrapped(tier: LiveTier | None) -> LiveTier | None:
    """The tier itself, without its window."""
    return tier.inner if isinstance(tier, LongTier) else tier


def _added_up(last: Whole, notes: Sequence[Whole], latency_s: float) -> Whole:
    answer = added_up(last.answer, [note.answer for note in notes], latency_s)
    usages = [one.completion.usage for one in (*notes, last)]
    cached = [usage.cached if usage is not None else Cached() for usage in usages]
    usage = Usage(
        answer.input_tokens,
        answer.output_tokens,
        all(usage is not None and usage.reported for usage in usages),
        Cached(sum(c.read for c in cached), sum(c.write for c in cached), sum(c.write_1h for c in cached)),
    )
    return Whole(answer, msgspec.structs.replace(last.completion, usage=usage), _with_usage(last.body, usage))


def _with_usage(body: bytes, usage: Usage) -> bytes:
    """The completion with the tokens of all calls."""
    total = usage.input_tokens + usage.output_tokens
    tokens: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total,
    }
    if usage.cached.read:
        tokens["prompt_tokens_details"] = {"cached_tokens": usage.cached.read}
    return msgspec.json.encode({**_FIELDS.decode(body), "usage": tokens})
