"""Holds a cheap tier's stream until the policy releases it for good, or cancels it and goes on to a dearer tier.

    tier.stream ─▶ hold ─ each token ─▶ machine.prefix ─ Release ──▶ Onward: what was held, then the rest as it comes
                    ▲                        │   └────── Escalate ─▶ closed at once, charged; Ask(a dearer tier)
                    └──────── Hold ──────────┘
                    end before the commit point ─▶ machine.advance ─▶ Onward, all of it, or Ask

The client has seen nothing until the release. What a cancelled call wrote is metered and charged, and never returned.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from msgspec.structs import replace as replace_usage

from routenlp.backends.kept_tokens import packed
from routenlp.backends.openai_compatible import completion
from routenlp.backends.openai_compatible.completion import Usage, counted_usage
from routenlp.backends.openai_compatible.joined import joined
from routenlp.backends.openai_compatible.scored_events import ScoredMeter
from routenlp.backends.remote.failures import Kind, UpstreamError, charge, paid_usd
from routenlp.backends.remote.sse import BadEvent
from routenlp.cascade.commit import HOLD, CommitPoint, Escalate, Hold, Judged, Prefix, Release
from routenlp.cascade.committing import Committing
from routenlp.cascade.machine import Ask, Done, advance, cancelled, prefix, released, why_released
from routenlp.cascade.policy import Policy
from routenlp.gateway.course import Course, Escalation, Why
from routenlp.gateway.live import Served
from routenlp.gateway.long_tier import LongTier
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.streaming import Passing, Streamed, pieces_of
from routenlp.gateway.tiers import LiveTier, Whole
from routenlp.settings import Settings
from routenlp.types import Answer

_LOG = logging.getLogger("routenlp.gateway")
_NOT_ONE_TEXT = frozenset({"tools", "functions"})
"""Fields of a request whose answer is not only a text: it is buffered."""


def may_commit(request: ChatRequest, served: Served) -> bool:
    """Whether cheap tiers are asked for streams: one text is wanted, as a stream, of a task that commits."""
    return request.stream and bool(served.commits) and request.n == 1 and _NOT_ONE_TEXT.isdisjoint(request.fields)


def commits_at(tier: LiveTier, request: ChatRequest, served: Served) -> bool:
    """Whether this tier's stream of such a request can be judged as it comes: it fits the tier, and has scores."""
    if tier.tier.name not in served.commits or not tier.scored_streams:
        return False
    return not isinstance(tier, LongTier) or tier.beyond(request) is None


def with_commits(served: Mapping[str, Served], settings: Settings, policy: Policy | None) -> dict[str, Served]:
    """Each task with the tiers whose streams are released at a commit point: where the settings ask for it, and the
    policy has a commit rule, at the point that they name where they name one. Else it is buffered, and the log says so.

    A rule that decides nothing is one that could not be proved any more: audits keep what it needs to be proved again.
    """
    out = dict(served)
    for name, its in served.items():
        given = settings.tasks.get(name)
        if settings.streaming_of(name) != "commit" or policy is None:
            continue
        at = given.commit_at if given is not None else None
        rules = policy.stop_rule.commits.get(name, {}) if isinstance(policy.stop_rule, Committing) else {}
        at_point = {tier: rule for tier, rule in rules.items() if _is_at(rule.point, at)}
        commits = frozenset(tier for tier, rule in at_point.items() if rule.decides and its.routed)
        out[name] = replace(its, commits=commits, keeps=frozenset(at_point))
        if not its.routed or commits:
            continue
        if given is not None and given.streaming == "commit":
            _LOG.warning("%s is to commit, and the policy has no such commit rule for it: streams are buffered", name)
    return out


def _is_at(point: CommitPoint, asked: int | str | None) -> bool:
    return asked is None or (point.sentence if asked == "sentence" else point == CommitPoint(int(asked)))


@dataclass(slots=True, eq=False)
class _Held:
    """A call while nothing of it was given out."""

    policy: Policy
    ask: Ask
    tier: LiveTier
    request: ChatRequest
    course: Course
    begun_s: float
    passing: Passing | None = None
    tokens: int = 0
    """That were judged."""

    @property
    def name(self) -> str:
        return self.tier.tier.name

    @property
    def meter(self) -> ScoredMeter:
        assert self.passing is not None
        meter = self.passing.streamed.meter
        assert isinstance(meter, ScoredMeter)
        return meter

    def usage(self) -> Usage:
        """What the endpoint reported; what was seen, where it was broken off before it could."""
        meter = self.meter
        if meter.usage is not None:
            return meter.usage
        counted = counted_usage(self.request.everything, "".join(meter.text))
        return replace_usage(counted, output_tokens=max(counted.output_tokens, len(meter.token_probs)))

    def put_down(self, error: str | None) -> None:
        """The call goes on the course; not as the answer returned."""
        course = self.course
        course.upstream_s += course.clock() - self.begun_s
        course.streamed(self.tier.tier, self.usage(), course.clock() - self.begun_s, error, accepted=False)

    def keep(self) -> None:
        """What an audit needs to know of the tokens of the answer, which has ended."""
        if self.course.keeps(self.name) and (tokens := self.meter.tokens()) is not None:
            self.course.keep(self.name, packed("".join(self.meter.text), *tokens))

    def answer(self) -> Answer:
        """As far as it came."""
        meter, usage = self.meter, self.usage()
        tokens, cost = (usage.input_tokens, usage.output_tokens), usage.cost_usd(self.tier.tier.price)
        latency_s = self.course.clock() - self.begun_s
        return Answer(self.name, "".join(meter.text), tuple(meter.token_probs) or None, *tokens, cost, latency_s)


async def hold(
    policy: Policy, tier: LiveTier, request: ChatRequest, course: Course, ask: Ask, limit_s: float | None
) -> Passing | Ask | Done | None:
    """A stream to pass on to the client, or what the machine says of an answer that is not; None where the tier failed.

    Raises whatever the policy raises; the call is closed and charged then too. `Done`: another answer is returned.
    """
    held = _Held(policy, ask, tier, request, course, course.clock())
    kept = False
    try:
        async with asyncio.timeout(min(tier.total_s, math.inf if limit_s is None else limit_s)):
            verdict = await _until_decided(held)
        moved = _moved(held, verdict)
        kept = isinstance(moved, Passing)
        return moved
    except (TimeoutError, UpstreamError) as error:
        _failed(held, error)
        return None
    except asyncio.CancelledError as error:
        if held.passing is None:
            course.left(held.name, error, course.clock() - held.begun_s)
        elif not held.passing.recorded:
            held.put_down("client_left")
        raise
    except BaseException:  # whatever it is, what was written is paid for
        if held.passing is not None and not held.passing.recorded:
            held.put_down("policy")
        raise
    finally:
        if held.passing is not None and not kept:
            held.passing.stream.close()


async def _until_decided(held: _Held) -> Judged:
    stream = await held.tier.stream(held.request, last=False, scored=True)
    meter = ScoredMeter(show_usage=held.request.show_usage, show_logprobs=held.request.wants_logprobs)
    held.passing = passing = Passing(stream, pieces_of(stream), Streamed(held.name, meter), held.begun_s)
    async for data in passing.pieces:
        try:
            passing.held += meter.feed(data)
        except BadEvent as exc:
            raise UpstreamError(held.name, Kind.GARBAGE, str(exc)) from exc
        for text, token_probs in meter.prefixes(held.tokens):
            verdict = prefix(held.policy, held.ask, Prefix(text, token_probs))
            held.tokens = len(token_probs)
            if not isinstance(verdict, Hold):
                return verdict
        if meter.done:
            if not passing.streamed.text:
                raise UpstreamError(held.name, Kind.GARBAGE, "answered with no chat completion that says anything")
            return HOLD
    raise UpstreamError(held.name, Kind.CUT, "ended its stream in the middle")


def _moved(held: _Held, verdict: Judged) -> Passing | Ask | Done:
    course, passing = held.course, held.passing
    assert passing is not None
    if isinstance(verdict, Release):
        course.upstream_s += course.clock() - held.begun_s
        course.reason = why_released(verdict)
        passing.put_down = lambda: _ended(held, verdict)
        return passing
    if isinstance(verdict, Escalate):
        passing.stream.close()
    held.put_down(None)
    passing.recorded = True
    if isinstance(verdict, Escalate):
        moved = cancelled(held.policy, held.ask, held.answer(), verdict)
    else:
        held.keep()
        whole = course.wholes[held.name] = _whole(passing, held.answer())
        moved = advance(held.policy, held.ask, whole.answer)
    steps = moved.steps if isinstance(moved, Ask) else moved.trace.steps
    course.scored(steps[-1])
    if isinstance(moved, Ask):
        course.escalations.append(Escalation(held.name, moved.tier, _why(verdict)))
        return moved
    if moved.trace.answer.tier != held.name:
        return moved
    course.chosen(held.name, moved.trace.reason)
    return passing


def _whole(passing: Passing, answer: Answer) -> Whole:
    """Of a stream that ended while it was held: a later step may end in this answer, and an audit reads it."""
    usage = Usage(answer.input_tokens, answer.output_tokens)
    body = joined(passing.held, usage)
    found = completion.read(body)
    assert found is not None
    return Whole(answer, found, body)


def _why(verdict: Judged) -> Why:
    if isinstance(verdict, Escalate):
        return "abort" if verdict.early else "commit"
    return "rule"


def _ended(held: _Held, verdict: Release) -> None:
    """A released stream ended, or broke off: it goes on the course, with the score of all that came."""
    assert held.passing is not None
    course, streamed = held.course, held.passing.streamed
    course.streamed(held.tier.tier, held.usage(), course.clock() - held.begun_s, streamed.error)
    if streamed.error is None:
        held.keep()
    try:
        course.scored(released(held.policy, held.ask, held.answer(), verdict).trace.steps[-1])
    except Exception:  # noqa: BLE001  (the answer is out: a score for the record is never its loss)
        course.failsafe.append("policy")
        _LOG.exception("a released answer could not be scored", extra={"trace_id": course.trace_id})


def _failed(held: _Held, error: TimeoutError | UpstreamError) -> None:
    course = held.course
    if isinstance(error, TimeoutError):
        paid = paid_usd(error.__context__)  # the cancellation that the time's end came as
        error = UpstreamError(held.name, Kind.TIMEOUT, "gave no answer in the time left")
        charge(error, paid)
    if held.passing is not None and (held.passing.streamed.text or error.kind is Kind.TIMEOUT):
        held.put_down(str(error.kind))
        held.passing.recorded = True
    else:
        course.failed(held.name, error, course.clock() - held.begun_s)
    level = logging.INFO if error.is_no_trouble else logging.WARNING
    _LOG.log(level, "%s", error, extra={"trace_id": course.trace_id})
