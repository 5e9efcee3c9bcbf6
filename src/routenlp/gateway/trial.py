"""The candidate beside the policy in force: which conversations it serves, and what it would do with the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from routenlp.backends.remote.failures import UpstreamError
from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.draws import draw
from routenlp.gateway.course import Course
from routenlp.gateway.live import Live
from routenlp.gateway.long_tier import beyond_windows
from routenlp.gateway.recording import top_cost_usd
from routenlp.gateway.request import ChatRequest
from routenlp.loop.canary import serves_candidate
from routenlp.loop.shadow import Shadowed
from routenlp.store.sql.records import ShadowRecord
from routenlp.types import Query

MOST_AT_ONCE = 8
"""Shadows under way; a query that comes while there are so many is not shadowed, and counted."""
STEP_S = 30.0
"""A tier that takes longer for a shadow has failed."""
_LOG = logging.getLogger("routenlp.gateway")


def arm_of(live: Live, request: ChatRequest, caller: str) -> Live:
    """What serves this conversation: the policy in force, or the candidate for its share of them.

    A conversation is known by its caller and its first message from the user, which all of its requests begin with.
    """
    trial = live.trial
    if trial is None or trial.share <= 0.0:
        return live
    first = next((turn.text for turn in request.turns if turn.role == "user"), request.text)
    return trial.live if serves_candidate(trial.version, f"{caller}\0{first}", trial.share) else live


@dataclass(frozen=True, slots=True)
class _Seen:
    """How the candidate's way ended."""

    tier: str | None
    usd: float | None
    same: bool | None
    top: bool = False


class Shadows:
    """Runs a candidate on live queries, in the background and bounded; nobody gets its answers.

    It takes answers that the query has got already from the same tier, asks cheap tiers for what is missing, and never
    the last one: its part is what it would have cost.
    """

    def __init__(self, put: Callable[[ShadowRecord], bool]) -> None:
        self._put = put
        self._running: set[asyncio.Task[None]] = set()
        self.left_out = 0
        """Queries that were drawn and not shadowed, for want of room."""

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._running)

    def consider(self, live: Live, request: ChatRequest, course: Course, at_s: float) -> None:
        """Begins a shadow where one is due. Never waits."""
        trial = live.trial
        if trial is None or trial.share > 0.0 or draw("shadow", course.trace_id) >= live.settings.policy.shadow_rate:
            return
        if not any(step.accepted for step in course.steps):
            return
        if len(self._running) >= MOST_AT_ONCE:
            self.left_out += 1
            return
        task = asyncio.create_task(self._shadow(live, trial.live, trial.version, request, course, at_s))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Ends what is under way."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _shadow(
        self, live: Live, other: Live, version: str, request: ChatRequest, course: Course, at_s: float
    ) -> None:
        try:
            seen = await _would_do(live, other, request, course)
        except Exception:  # noqa: BLE001  (whatever it is: the candidate failed, and nobody waits for it)
            _LOG.exception("a candidate failed in shadow", extra={"trace_id": course.trace_id})
            seen = _Seen(None, None, None)
        served = next(step for step in course.steps if step.accepted)
        task = course.aim.served.task
        shadowed = Shadowed(task, served.tier, course.cost_usd, seen.tier, seen.usd, seen.same, seen.top)
        self._put(ShadowRecord(course.trace_id, version, at_s, shadowed))


async def _would_do(live: Live, other: Live, request: ChatRequest, course: Course) -> _Seen:
    served = other.tasks.get(course.aim.served.task)
    if served is None or other.policy is None or not served.routed:
        return _at_top(live, course, course.aim.tiers[-1], 0.0)
    query = Query(course.trace_id, served.task, request.text, request.metadata, request.turns)
    ask = start(other.policy, query, beyond=beyond_windows(other.tiers, request))
    order, spent = list(other.tiers), 0.0
    while True:
        wanted = order.index(ask.tier)
        name = next((tier for tier in served.tiers if order.index(tier) >= wanted), served.tiers[-1])
        if name == served.tiers[-1]:
            return _at_top(live, course, name, spent)
        tier = other.tiers[name]
        whole = course.wholes.get(name) if live.tiers.get(name) is tier else None
        if whole is None:
            try:
                whole = await tier.whole(request, scored=True, limit_s=STEP_S, last=False)
            except UpstreamError as error:
                _LOG.warning("in shadow: %s", error, extra={"trace_id": course.trace_id})
                return _Seen(None, None, None)
        spent += whole.answer.cost_usd
        moved = advance(other.policy, replace(ask, tier=name), whole.answer)
        if isinstance(moved, Done):
            answer = moved.trace.answer
            return _Seen(answer.tier, spent, _same(answer.text, course))
        assert isinstance(moved, Ask)
        ask = moved


def _at_top(live: Live, course: Course, name: str, spent: float) -> _Seen:
    top_usd = top_cost_usd(course, live)
    same = True if _served_tier(course) == name else None
    return _Seen(name, None if top_usd is None else spent + top_usd, same, top=True)


def _same(text: str, course: Course) -> bool | None:
    """None where what was served passed through as a stream, and nobody kept it."""
    whole = course.wholes.get(_served_tier(course))
    return None if whole is None else whole.answer.text.strip() == text.strip()


def _served_tier(course: Course) -> str:
    return next(step.tier for step in course.steps if step.accepted)
