"""Whatever of ours fails, the last allowed tier answers."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, replace

import pytest
from tests.unit.worlds import PORTFOLIO, TIERS, policy, thresholds

from routenlp.backends.openai_compatible.completion import Completion
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.conformal.verdict import Status
from routenlp.gateway.aim import Aim
from routenlp.gateway.course import Course
from routenlp.gateway.live import Live, Served
from routenlp.gateway.request import parse
from routenlp.gateway.serve_query import serve_query
from routenlp.gateway.tiers import Whole
from routenlp.portfolio.tiers import Tier
from routenlp.settings import load
from routenlp.types import Answer, Parts

REQUEST = parse(b'{"model": "auto:intent", "messages": [{"role": "user", "content": "hello"}]}')
SETTINGS = load(
    None,
    {},
    default="portfolio: [{name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]",
)


@dataclass
class Says:
    """A tier that answers at once, with probability `sure`, or fails."""

    tier: Tier
    sure: float = 0.9
    fails: bool = False
    streams: bool = False
    scored_streams: bool = False
    total_s: float = 10.0
    state: State = State.CLOSED

    async def whole(self, request, *, scored, limit_s, last):
        if self.fails:
            raise UpstreamError(self.tier.name, Kind.TIMEOUT, "is slow")
        answer = Answer(self.tier.name, self.tier.name, (self.sure,), 1, 1, 1.0, 0.01)
        return Whole(answer, Completion("c", self.tier.name, None, (self.sure,), (), False), b"{}")

    async def stream(self, request, *, last):
        raise AssertionError("a stream is opened by whoever passes it on, never by serve_query")


class Broken:
    """A router, scorer or rule that raises."""

    def __getattr__(self, name):
        if name == "parts":
            return lambda: Parts("broken", {}, {})
        raise RuntimeError("broken")


def serve(by=None, *, tiers=TIERS, sla_s=None, begin_at=None, **says):
    made = {tier.name: Says(tier, **says.get(tier.name, {})) for tier in PORTFOLIO.tiers}
    served = Served("intent", tiers, Status.CERTIFIED, True, sla_s)
    live = Live(SETTINGS, made, {"intent": served}, by or policy(thresholds({"small": 0.2, "mid": 0.2})))
    ticks = itertools.count()
    course = Course("t", Aim(served, tiers, True, ""), 0.0, lambda: next(ticks) * 0.001)
    return asyncio.run(serve_query(live, REQUEST, course, begin_at)), course


@pytest.mark.parametrize("part", ["router", "scorer", "stop_rule"])
def test_a_broken_part_means_the_top_tier(part, caplog):
    whole, course = serve(replace(policy(thresholds({"small": 0.2})), **{part: Broken()}))
    assert whole.answer.tier == "top"
    assert course.failsafe
    assert "the last tier answers" in caplog.text


def test_an_unsure_answer_climbs_and_each_step_is_put_down():
    whole, course = serve(small={"sure": 0.5})
    assert whole.answer.tier == "mid"
    assert [(s.tier, s.score, s.accepted) for s in course.steps] == [
        ("small", pytest.approx(0.5), False),
        ("mid", pytest.approx(0.1), True),
    ]
    assert [(e.from_tier, e.to_tier, e.reason) for e in course.escalations] == [("small", "mid", "rule")]


def test_a_failed_tier_is_passed_over():
    whole, course = serve(small={"fails": True})
    assert (whole.answer.tier, course.steps[0].error) == ("mid", "timeout")


def test_a_wall_is_never_climbed():
    whole, _ = serve(tiers=("small", "mid"), small={"sure": 0.1}, mid={"sure": 0.1})
    assert whole.answer.tier == "mid"
    with pytest.raises(UpstreamError):
        serve(tiers=("small", "mid"), small={"fails": True}, mid={"fails": True})


def test_a_rejected_answer_never_stands_in_for_the_last_tier():
    with pytest.raises(UpstreamError):
        serve(small={"sure": 0.5}, mid={"sure": 0.5}, top={"fails": True})


def test_time_that_is_used_up_means_the_last_tier():
    whole, course = serve(sla_s=0.001)
    assert (whole.answer.tier, course.tried) == ("top", ("top",))


def test_a_turn_goes_on_where_it_began():
    whole, course = serve(begin_at="mid")
    assert (whole.answer.tier, course.tried) == ("mid", ("mid",))
