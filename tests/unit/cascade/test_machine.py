"""The machine: ends, adds up, climbs when in doubt, and refuses what its rules forbid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import PORTFOLIO, TIERS, answer, policy, thresholds

from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.stop_rules import FirstAnswer, accept
from routenlp.errors import IllegalMove, UnknownTask
from routenlp.types import Answer, Call, Parts, Query, Route, Step, Stop, Trace

QUERY = Query("q", "intent", "where is my card")
limits = st.dictionaries(st.sampled_from(["small", "mid"]), st.floats(0, 1))
uncertainties = st.fixed_dictionaries({t: st.one_of(st.none(), st.floats(0, 1)) for t in TIERS})
costs = st.fixed_dictionaries({t: st.floats(0, 100) for t in TIERS})


def run(rule, us, prices=None, first="small") -> Trace:
    chosen = policy(rule, first=first)
    state = start(chosen, QUERY)
    while isinstance(state, Ask):
        cost = 1.0 if prices is None else prices[state.tier]
        state = advance(chosen, state, answer(state.tier, us[state.tier], cost_usd=cost))
    return state.trace


@given(limits, uncertainties, st.sampled_from(TIERS))
def test_ends_within_as_many_steps_as_there_are_tiers(limit, us, first):
    trace = run(thresholds(limit), us, first=first)
    positions = [PORTFOLIO.position(t) for t in trace.tiers]
    assert positions == sorted(set(positions))
    assert len(trace.steps) <= len(TIERS)


@given(limits, uncertainties, costs, st.sampled_from(TIERS))
def test_cost_and_latency_are_the_sum_of_the_steps(limit, us, prices, first):
    trace = run(thresholds(limit), us, prices, first)
    assert trace.cost_usd == pytest.approx(math.fsum(prices[t] for t in trace.tiers))
    assert trace.latency_s == pytest.approx(0.01 * len(trace.steps))


@given(limits, uncertainties)
def test_an_absent_threshold_climbs(limit, us):
    limit.pop("small", None)
    trace = run(thresholds(limit), us)
    assert trace.tiers[:2] == ("small", "mid")


@given(limits, uncertainties, st.sampled_from(TIERS))
def test_a_cheap_answer_is_returned_only_where_its_score_is_within_the_threshold(limit, us, first):
    trace = run(thresholds(limit), us, first=first)
    (chosen,) = [s for s in trace.steps if s.accepted]
    assert chosen.answer is trace.answer
    assert trace.answer.tier == "top" or accept(chosen.score, limit.get(trace.answer.tier))


def test_an_answer_without_a_score_climbs():
    assert run(thresholds({"small": 1.0, "mid": 1.0}), {"small": None, "mid": 0.2, "top": None}).tiers == (
        "small",
        "mid",
    )


def test_the_first_answer_rule_stops_at_the_routers_choice():
    assert run(FirstAnswer(), dict.fromkeys(TIERS, 0.9), first="mid").tiers == ("mid",)


def test_the_trace_says_why_and_under_which_policy():
    trace = run(thresholds({"small": 0.5}), dict.fromkeys(TIERS, 0.1))
    assert "within the threshold 0.500" in trace.reason
    assert trace.policy_version == policy(thresholds({"small": 0.5})).version


def test_an_unknown_task_is_refused_by_name():
    with pytest.raises(UnknownTask, match=r"'poetry'.*intent"):
        start(policy(), replace(QUERY, task="poetry"))


def test_an_answer_of_another_tier_is_an_illegal_move():
    ask = start(policy(), QUERY)
    with pytest.raises(IllegalMove, match="'top' answered"):
        advance(policy(), ask, answer("top"))


@dataclass(frozen=True)
class Rogue:
    """A stop rule that breaks the contract in the way asked for."""

    first: str | None
    then: str | None

    def threshold(self, task: str, tier: str) -> float | None:
        return None

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        tier = self.then if steps else self.first
        stranger = Answer("top", "made up", None, 0, 0, 0.0, 0.0)
        return Stop(stranger, "rogue") if tier is None else Call(tier, "rogue")

    def parts(self) -> Parts:
        return Parts("rogue", {}, {})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rogue(None, None), "before any tier"),
        (Rogue("mid", "small"), "called 'small' after 'mid'"),
        (Rogue("mid", "mid"), "called 'mid' after 'mid'"),
        (Rogue("small", None), "no tier gave"),
    ],
)
def test_a_rule_that_breaks_the_contract_is_an_illegal_move(rule, message):
    with pytest.raises(IllegalMove, match=message):
        run(rule, dict.fromkeys(TIERS, 0.1))
