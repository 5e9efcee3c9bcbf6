"""Passes a tier's stream on, event by event, metered and unchanged.

Until the first whole event is there, nothing was sent, and a failure is an ordinary error. After it, a failure is one
last event in OpenAI's shape, without `[DONE]`: a client must not take half an answer for a whole one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.types import Send

from routenlp.backends.openai_compatible.completion import Usage, counted_usage
from routenlp.backends.openai_compatible.events import Meter
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.backends.remote.sse import BadEvent
from routenlp.backends.remote.upstream import ByteStream
from routenlp.gateway.course import Course
from routenlp.gateway.errors import error_body
from routenlp.gateway.headers import about
from routenlp.gateway.live import Live
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.sending import EVENTS, begin_stream, send_part
from routenlp.gateway.tiers import LiveTier

_LOG = logging.getLogger("routenlp.gateway")


@dataclass(slots=True, eq=False)
class Streamed:
    """What is known of a stream while it passes, and after it was broken off."""

    tier: str
    meter: Meter
    begun: bool = False
    """Whether anything reached the client."""
    error: str | None = None

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.meter.text)

    def usage(self, request: ChatRequest) -> Usage:
        """What the endpoint reported; what was seen, where it reported nothing."""
        return self.meter.usage or counted_usage(request.everything, self.text)


@dataclass(slots=True, eq=False)
class Passing:
    """An open stream on its way to the client."""

    stream: ByteStream
    pieces: AsyncIterator[bytes]
    """Of the stream, those that were not fed to the meter yet."""
    streamed: Streamed
    begun_s: float
    held: bytes = b""
    """Whole events that came already, to be sent first."""
    recorded: bool = False
    """Whether its step is on the course."""
    put_down: Callable[[], None] = lambda: None
    """Puts its step on the course; called once, unless `recorded`."""
    settled: bool = False

    def settle(self, charge: Callable[[], None]) -> None:
        """Puts it down, and charges; once."""
        if self.settled:
            return
        self.settled = True
        if not self.recorded:
            self.recorded = True
            self.put_down()
        charge()


async def pass_through(
    live: Live,
    request: ChatRequest,
    course: Course,
    tier: LiveTier,
    streamed: Streamed,
    send: Send,
    charge: Callable[[], None],
) -> None:
    """Raises `UpstreamError` only before the first byte to the client. `charge` is called before the last one."""
    begun_s = course.clock()
    try:
        stream = await tier.stream(request, last=True)
    except UpstreamError as error:
        course.failed(streamed.tier, error, course.clock() - begun_s)
        raise
    except asyncio.CancelledError as error:
        course.left(streamed.tier, error, course.clock() - begun_s)
        raise
    passing = Passing(stream, pieces_of(stream), streamed, begun_s)
    passing.put_down = lambda: course.streamed(
        tier.tier, streamed.usage(request), course.clock() - begun_s, streamed.error
    )
    await pass_on(live, course, passing, send, charge)


async def pass_on(live: Live, course: Course, passing: Passing, send: Send, charge: Callable[[], None]) -> None:
    """Of a stream that is open: as `pass_through`."""
    streamed = passing.streamed
    try:
        await _events(live, course, passing, send, charge)
    except UpstreamError as error:
        streamed.error = str(error.kind)
        if not streamed.begun:
            raise
        _LOG.warning("%s after the first byte", error.kind, extra={"trace_id": course.trace_id})
        body = error_body(f"The model broke off: it {error.problem}.", "upstream_error", f"upstream_{error.kind}")
        await send_part(send, b"data: " + body + b"\n\n", more=False)
    finally:
        passing.stream.close()
        passing.settle(charge)


async def _events(live: Live, course: Course, passing: Passing, send: Send, charge: Callable[[], None]) -> None:
    streamed, meter = passing.streamed, passing.streamed.meter
    if passing.held:
        await _begin(live, course, passing, send)
        if meter.done:
            passing.settle(charge)
        await send_part(send, passing.held, more=True)
    while not meter.done and (data := await anext(passing.pieces, None)) is not None:
        try:
            events = meter.feed(data)
        except BadEvent as exc:
            raise UpstreamError(streamed.tier, Kind.GARBAGE, str(exc)) from exc
        if events and not streamed.begun:
            course.upstream_s += course.clock() - passing.begun_s
            await _begin(live, course, passing, send)
        if meter.done:
            passing.settle(charge)
        if events:
            await send_part(send, events, more=True)
    if not meter.done:
        raise UpstreamError(streamed.tier, Kind.CUT, "ended its stream in the middle")
    await send_part(send, b"", more=False)


async def _begin(live: Live, course: Course, passing: Passing, send: Send) -> None:
    course.begun_to_stream()
    await begin_stream(send, [EVENTS, *about(course, live, passing.streamed.tier, cost_known=passing.recorded)])
    passing.streamed.begun = True


async def pieces_of(stream: ByteStream) -> AsyncIterator[bytes]:
    """All that it says, as it comes."""
    yield stream.first
    async for data in stream.rest():
        yield data
