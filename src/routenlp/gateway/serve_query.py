"""Drives `cascade.machine` for one request: asks tiers, and keeps to walls and limits of time.

    start ─▶ Ask ─▶ cheap tier, whole ─▶ advance ─▶ Done: the answer that the policy returns
              ▲          │ failed, late      │
              │          ▼                   ▼
              └── the next dearer tier ◀── Call

Whatever fails of ours, the last allowed tier answers; whatever tier fails, the next dearer one is asked. Only the
last tier's failure reaches the client. A client that wants a stream gets the last tier's own, untouched; what comes
from a cheaper tier was held until it was accepted or, where the task commits, released (`gateway.commit`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from routenlp.backends.remote.failures import UpstreamError
from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.gateway.commit import commits_at, hold, may_commit
from routenlp.gateway.course import Course, Escalation, Why
from routenlp.gateway.live import Live
from routenlp.gateway.long_tier import beyond_windows
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.streaming import Passing
from routenlp.gateway.tiers import LiveTier, Whole
from routenlp.types import Query

T = TypeVar("T")
LEAST_S = 0.02
"""A cheap step is not begun with less time left than this."""
_LOG = logging.getLogger("routenlp.gateway")


@dataclass(frozen=True, slots=True, eq=False)
class Onward:
    """The client wants a stream, and the last tier is to give it."""

    tier: LiveTier


async def serve_query(
    live: Live,
    request: ChatRequest,
    course: Course,
    begin_at: str | None,
    cached_usd: Mapping[str, float] | None = None,
) -> Whole | Onward | Passing:
    """The answer, a released stream, or which tier is to stream it. Raises `UpstreamError` when the last tier fails.

    `begin_at`: the tier that began this assistant's turn, where the request goes on with one. `cached_usd`: by tier,
    what its prompt cache saves.
    """
    ask = None
    if course.aim.routed and live.policy is not None:
        ask = _start(live.policy, live.tiers, request, course, begin_at, cached_usd)
        if request.stream and course.aim.served.commits:
            course.commits = may_commit(request, course.aim.served)
    while ask is not None:
        name = _allowed(course, live, ask)
        if name == course.aim.tiers[-1]:
            break
        if course.commits and commits_at(live.tiers[name], request, course.aim.served):
            found = await _committed(live, live.tiers[name], request, course, ask)
            if isinstance(found, Whole | Passing):
                return found
            ask = found
            continue
        whole = await _cheap(live.tiers[name], request, course)
        if whole is None:
            ask = replace(ask, tier=_dearer(course, name, "failed"))
            continue
        moved = _advance(live.policy, ask, name, whole, course)
        if isinstance(moved, Done):
            return course.accepted(moved.trace.answer.tier, moved.trace.reason)
        ask = moved
    return await _last(live, request, course, ask)


def _start(
    policy: Policy,
    tiers: Mapping[str, LiveTier],
    request: ChatRequest,
    course: Course,
    begin_at: str | None,
    cached_usd: Mapping[str, float] | None,
) -> Ask | None:
    query = Query(course.trace_id, course.aim.served.task, request.text, request.metadata, request.turns)
    ask = _safely("router", course, lambda: start(policy, query, cached_usd, beyond_windows(tiers, request)))
    if ask is None:
        return None
    course.route = ask.route
    if begin_at is not None and begin_at in course.aim.tiers:
        ask = replace(ask, tier=begin_at, reason=f"{begin_at} began this turn")
    course.why_first = ask.reason
    return ask


def _advance(policy: Policy | None, ask: Ask, name: str, whole: Whole, course: Course) -> Ask | Done | None:
    if policy is None:
        return None
    asked = ask if ask.tier == name else replace(ask, tier=name)
    moved = _safely("policy", course, lambda: advance(policy, asked, whole.answer))
    if moved is None:
        return None
    steps = moved.steps if isinstance(moved, Ask) else moved.trace.steps
    course.scored(steps[-1])
    if isinstance(moved, Ask):
        course.escalations.append(Escalation(name, moved.tier, "rule"))
    return moved


def _safely(part: str, course: Course, work: Callable[[], T]) -> T | None:
    """What `work` gives; None where it raises anything, which is put down and told: never the client's loss."""
    try:
        return work()
    except Exception:  # noqa: BLE001  (whatever it is, the client still gets an answer)
        course.failsafe.append(part)
        _LOG.exception("%s failed, the last tier answers", part, extra={"trace_id": course.trace_id})
        return None


def _allowed(course: Course, live: Live, ask: Ask) -> str:
    """The cheapest allowed tier from the one asked for on; the last one where the time for cheap ones is over."""
    tiers, sla_s = course.aim.tiers, course.aim.served.sla_s
    if sla_s is not None and course.elapsed_s() > sla_s - LEAST_S:
        return tiers[-1]
    if ask.tier in tiers:
        return ask.tier
    order = list(live.tiers)
    wanted = order.index(ask.tier)
    return next((tier for tier in tiers if order.index(tier) >= wanted), tiers[-1])


def _dearer(course: Course, name: str, why: Why) -> str:
    tiers = course.aim.tiers
    after = tiers[tiers.index(name) + 1]
    course.escalations.append(Escalation(name, after, why))
    return after


async def _cheap(tier: LiveTier, request: ChatRequest, course: Course) -> Whole | None:
    """A held answer; None where the tier fails, whatever the reason: the next one may do better."""
    begun_s = course.clock()
    try:
        whole = await tier.whole(request, scored=True, limit_s=_time_left_s(course), last=False)
    except UpstreamError as error:
        course.failed(tier.tier.name, error, course.clock() - begun_s)
        level = logging.INFO if error.is_no_trouble else logging.WARNING
        _LOG.log(level, "%s", error, extra={"trace_id": course.trace_id})
        return None
    except asyncio.CancelledError as error:
        course.left(tier.tier.name, error, course.clock() - begun_s)
        raise
    course.answered(whole)
    return whole


async def _committed(
    live: Live, tier: LiveTier, request: ChatRequest, course: Course, ask: Ask
) -> Passing | Whole | Ask | None:
    """As `_cheap` and `_advance` together, of a stream; None where the policy failed."""
    name, policy = tier.tier.name, live.policy
    assert policy is not None  # who committed
    asked = ask if ask.tier == name else replace(ask, tier=name)
    try:
        moved = await hold(policy, tier, request, course, asked, _time_left_s(course))
    except Exception:  # noqa: BLE001  (whatever it is, the client still gets an answer)
        course.failsafe.append("policy")
        _LOG.exception("policy failed, the last tier answers", extra={"trace_id": course.trace_id})
        return None
    if moved is None:
        return replace(ask, tier=_dearer(course, name, "failed"))
    if isinstance(moved, Done):
        return course.accepted(moved.trace.answer.tier, moved.trace.reason)
    return moved


def _time_left_s(course: Course) -> float | None:
    """For cheap steps; None: there is no limit."""
    sla_s = course.aim.served.sla_s
    return None if sla_s is None else max(sla_s - course.elapsed_s(), 0.0)


async def _last(live: Live, request: ChatRequest, course: Course, ask: Ask | None) -> Whole | Onward:
    name = course.aim.tiers[-1]
    tier = live.tiers[name]
    if request.stream and tier.streams:
        course.reason = course.reason or (ask.reason if ask is not None else course.aim.why)
        return Onward(tier)
    begun_s = course.clock()
    try:
        whole = await tier.whole(request, scored=False, limit_s=None, last=True)
    except UpstreamError as error:
        course.failed(name, error, course.clock() - begun_s)
        raise
    except asyncio.CancelledError as error:
        course.left(name, error, course.clock() - begun_s)
        raise
    course.answered(whole)
    moved = _advance(live.policy, ask, name, whole, course) if ask is not None else None
    if isinstance(moved, Done):
        return course.accepted(moved.trace.answer.tier, moved.trace.reason)
    return course.accepted(name, "the last tier allowed always answers" if ask is not None else course.aim.why)
