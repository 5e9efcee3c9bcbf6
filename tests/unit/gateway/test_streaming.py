"""A stream is on record, and charged, before the client has the last of it."""

from __future__ import annotations

import asyncio
import itertools

from tests.unit.gateway.test_serve_query import REQUEST, SETTINGS
from tests.unit.worlds import PORTFOLIO, TIERS

from routenlp.backends.openai_compatible.events import Meter
from routenlp.conformal.verdict import Status
from routenlp.gateway.aim import Aim
from routenlp.gateway.course import Course
from routenlp.gateway.live import Live, Served
from routenlp.gateway.streaming import Streamed, pass_through

EVENTS = (
    b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "hello"}}]}\n\n',
    b'data: {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\ndata: [DONE]\n\n',
)


class Recorded:
    """An open stream of these events."""

    first = EVENTS[0]

    async def rest(self):
        for event in EVENTS[1:]:
            yield event

    def close(self):
        pass


class Streams:
    tier = PORTFOLIO.tiers[-1]

    async def stream(self, request, *, last):
        return Recorded()


def test_the_charge_comes_before_the_last_event():
    served, ticks = Served("intent", TIERS, Status.CERTIFIED, True, None), itertools.count()
    course = Course("t", Aim(served, TIERS, True, ""), 0.0, lambda: next(ticks) * 0.001)
    live = Live(SETTINGS, {}, {}, None)
    happened = []

    async def send(message):
        happened.append(message.get("body", b""))

    def charge():
        happened.append(course.cost_usd)

    streamed = Streamed("top", Meter(show_usage=True))
    asyncio.run(pass_through(live, REQUEST, course, Streams(), streamed, send, charge))
    charged = [at for at, what in enumerate(happened) if isinstance(what, float)]
    last = next(at for at, what in enumerate(happened) if isinstance(what, bytes) and b"[DONE]" in what)
    assert len(charged) == 1
    assert happened[charged[0]] == Streams.tier.price.cost_usd(7, 5) > 0.0
    assert charged[0] < last
