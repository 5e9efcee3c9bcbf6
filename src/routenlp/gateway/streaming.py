"""Passes a tier's stream on, event by event, metered and unchanged.

Until the first whole event is there, nothing was sent, and a failure is an ordinary error. After it, a failure is one
last event in OpenAI's shape, without `[DONE]`: a client must not take half an answer for a whole one.
"""

from __future__ import annotations

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
    recorded: bool = False
    """Whether its step is on the course."""

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self.meter.text)

    def usage(self, request: ChatRequest) -> Usage:
        """What the endpoint reported; what was seen, where it reported nothing."""
        return self.meter.usage or counted_usage(request.everything, self.text)


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

    def put_down() -> None:
        if not streamed.recorded:
            streamed.recorded = True
            course.streamed(tier.tier, streamed.usage(request), course.clock() - begun_s, streamed.error)
            charge()

    try:
        stream = await tier.stream(request, last=True)
    except UpstreamError as error:
        course.failed(streamed.tier, error, course.clock() - begun_s)
        raise
    try:
        await _events(live, course, stream, streamed, send, begun_s, put_down)
    except UpstreamError as error:
        streamed.error = str(error.kind)
        if not streamed.begun:
            raise
        _LOG.warning("%s after the first byte", error.kind, extra={"trace_id": course.trace_id})
        body = error_body(f"The model broke off: it {error.problem}.", "upstream_error", f"upstream_{error.kind}")
        await send_part(send, b"data: " + body + b"\n\n", more=False)
    finally:
        stream.close()
        put_down()


async def _events(
    live: Live,
    course: Course,
    stream: ByteStream,
    streamed: Streamed,
    send: Send,
    begun_s: float,
    put_down: Callable[[], None],
) -> None:
    meter = streamed.meter
    async for data in _pieces(stream):
        try:
            events = meter.feed(data)
        except BadEvent as exc:
            raise UpstreamError(streamed.tier, Kind.GARBAGE, str(exc)) from exc
        if events and not streamed.begun:
            course.upstream_s += course.clock() - begun_s
            await begin_stream(send, [EVENTS, *about(course, live, streamed.tier, cost_known=False)])
            streamed.begun = True
        if meter.done:
            put_down()
        if events:
            await send_part(send, events, more=True)
        if meter.done:
            break
    if not meter.done:
        raise UpstreamError(streamed.tier, Kind.CUT, "ended its stream in the middle")
    await send_part(send, b"", more=False)


async def _pieces(stream: ByteStream) -> AsyncIterator[bytes]:
    yield stream.first
    async for data in stream.rest():
        yield data
