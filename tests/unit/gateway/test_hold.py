"""Holding a stream: what becomes of the request when something of ours fails, or a later step prefers this answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.gateway.test_serve_query import SETTINGS, Says
from tests.unit.worlds import PORTFOLIO, TIERS, policy, thresholds

from routenlp.backends.remote.failures import charge
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing
from routenlp.cascade.long_input import Window
from routenlp.conformal.verdict import Status
from routenlp.gateway.aim import Aim
from routenlp.gateway.commit import commits_at
from routenlp.gateway.course import Course
from routenlp.gateway.live import Live, Served
from routenlp.gateway.long_tier import LongTier
from routenlp.gateway.request import parse
from routenlp.gateway.serve_query import serve_query
from routenlp.gateway.streaming import Passing
from routenlp.types import Call, Parts, Stop

REQUEST = parse(b'{"model": "auto:intent", "stream": true, "messages": [{"role": "user", "content": "hello"}]}')
RULE = CommitRule(CommitPoint(3), 0.25)


def event(p):
    token = {"token": "a ", "logprob": math.log(p), "bytes": None}
    choice = {"index": 0, "delta": {"content": "a "}, "logprobs": {"content": [token]}}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


@dataclass
class Open:
    """A stream of these probabilities, one event each; `wait_s` before each but the first."""

    probs: tuple[float, ...]
    wait_s: float = 0.0
    closed: int = 0
    read: int = 0
    first: bytes = field(init=False)

    def __post_init__(self):
        self.first = event(self.probs[0])

    async def rest(self) -> AsyncIterator[bytes]:
        for p in self.probs[1:]:
            await asyncio.sleep(self.wait_s)
            self.read += 1
            yield event(p)
        yield b"data: [DONE]\n\n"

    def close(self) -> None:
        self.closed += 1


@dataclass
class Streams(Says):
    """The small tier."""

    scored_streams: bool = True
    open: Open = field(default_factory=lambda: Open((0.9,) * 5))

    async def stream(self, request, *, last, scored=False):
        assert scored
        return self.open


@dataclass
class NeverBegins(Streams):
    """Its endpoint got the request, and bills it."""

    async def stream(self, request, *, last, scored=False):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            charge(error, 0.5)
            raise


class BrokenScorer:
    """Fails at three tokens."""

    def score(self, answer, route=None):
        if len(answer.token_probs) == 3:
            raise RuntimeError("broken")
        return 0.0

    def parts(self):
        return Parts("broken", {}, {})


class EarlierIsBetter:
    """Asks small, then mid, and then returns small's answer."""

    def threshold(self, task, tier):
        return None

    def next(self, route, steps):
        return Call(TIERS[len(steps)], "") if len(steps) < 2 else Stop(steps[0].answer, "the first was better")

    def parts(self):
        return Parts("earlier", {}, {})


def committing(inner=None):
    return Committing(inner or thresholds({"small": 0.2, "mid": 0.2}), TIERS, {"intent": {"small": RULE}})


def serve(opened, *, by=None, sla_s=None, total_s=10.0, small=Streams, leave_s=None):
    """`leave_s`: when the client leaves."""
    made = {t.name: Says(t, streams=t.name == "top") for t in PORTFOLIO.tiers}
    made["small"] = small(PORTFOLIO.tiers[0], open=opened, total_s=total_s)
    served = Served("intent", TIERS, Status.CERTIFIED, True, sla_s, commits=frozenset({"small"}))
    live = Live(SETTINGS, made, {"intent": served}, by or policy(committing()))
    ticks = itertools.count()
    course = Course("t", Aim(served, TIERS, True, ""), 0.0, lambda: next(ticks) * 0.001)

    async def once():
        task = asyncio.create_task(serve_query(live, REQUEST, course, None))
        if leave_s is not None:
            asyncio.get_running_loop().call_later(leave_s, task.cancel)
        (found,) = await asyncio.gather(task, return_exceptions=leave_s is not None)
        return found

    return asyncio.run(once()), course


def test_a_released_stream_is_handed_on_open_with_what_was_held():
    opened = Open((0.9,) * 5)
    found, course = serve(opened)
    assert isinstance(found, Passing)
    assert found.held.count(b"data:") == 3
    assert (opened.closed, opened.read) == (0, 2)
    assert course.steps == []
    assert course.streaming == "commit"


def test_a_cancelled_stream_is_closed_before_another_tier_is_asked():
    opened = Open((0.5,) * 50)
    found, course = serve(opened)
    assert found.answer.tier == "mid"
    assert (opened.closed > 0, opened.read) == (True, 2)
    assert [(e.from_tier, e.to_tier, e.reason) for e in course.escalations] == [("small", "mid", "commit")]
    assert course.steps[0].output_tokens == 3
    assert course.steps[0].cost_usd > 0.0


def test_a_policy_that_fails_on_a_prefix_means_the_last_tier(caplog):
    opened = Open((0.9,) * 5)
    found, course = serve(opened, by=replace(policy(committing()), scorer=BrokenScorer()))
    assert found.tier.tier.name == "top"
    assert course.failsafe == ["policy"]
    assert opened.closed
    assert (course.steps[0].error, course.steps[0].accepted) == ("policy", False)
    assert "the last tier answers" in caplog.text


def test_an_answer_that_ended_while_it_was_held_can_still_be_returned_later():
    found, course = serve(Open((0.9, 0.9)), by=policy(committing(EarlierIsBetter())))
    assert found.answer.text == "a a "
    assert json.loads(found.body)["choices"][0]["message"]["content"] == "a a "
    assert [(s.tier, s.accepted) for s in course.steps] == [("small", True), ("mid", False)]


@pytest.mark.parametrize(
    ("how", "error"), [({"total_s": 0.05}, "timeout"), ({"leave_s": 0.05}, "client_left")], ids=["late", "left"]
)
def test_a_call_that_never_begins_costs_what_its_tier_bills(how, error):
    _, course = serve(Open((0.9,)), small=NeverBegins, **how)
    assert (course.steps[0].tier, course.steps[0].error, course.steps[0].cost_usd) == ("small", error, 0.5)


def test_a_call_that_stands_still_without_a_word_costs_what_was_sent():
    opened = Open((0.9, 0.9), wait_s=0.3)
    opened.first = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant"}}]}\n\n'
    _, course = serve(opened, total_s=0.05)
    assert (course.steps[0].error, course.steps[0].input_tokens, course.steps[0].output_tokens) == ("timeout", 1, 0)
    assert course.steps[0].cost_usd > 0.0


@pytest.mark.parametrize("limits", [{"sla_s": 0.2}, {"total_s": 0.2}])
def test_time_that_is_over_while_it_is_held_means_a_dearer_tier(limits):
    opened = Open((0.9, 0.9, 0.9), wait_s=0.3)
    _, course = serve(opened, **limits)
    assert course.steps[0].error == "timeout"
    assert opened.closed
    assert course.escalations[0].reason == "failed"


def test_a_query_that_does_not_fit_the_tier_is_not_streamed_from_it():
    served = Served("intent", TIERS, Status.CERTIFIED, True, None, commits=frozenset({"small"}))
    small = LongTier(Streams(PORTFOLIO.tiers[0]), Window(300, how="map_reduce"), clock=lambda: 0.0)
    long = {"model": "auto:intent", "stream": True, "messages": [{"role": "user", "content": "word " * 2_000}]}
    assert commits_at(small, REQUEST, served)
    assert not commits_at(small, parse(json.dumps(long).encode()), served)
    assert not commits_at(Says(PORTFOLIO.tiers[0]), REQUEST, served), "it has no scores as it goes"
