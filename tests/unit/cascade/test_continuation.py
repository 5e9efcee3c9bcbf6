"""The continuation rule: it weighs, it stops with its best answer, and the machine moves as the replay does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, answer

from routenlp.cascade.continuation import (
    ALWAYS_TOP,
    STOPS,
    TERMS,
    ContinuationRule,
    Reach,
    Utility,
    decide,
)
from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals, Evidence, members
from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.policy import Policy
from routenlp.replay.backtest.continuation import replay
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Call, Estimate, Parts, Query, Route, Stop

COST = np.array([[0.05, 0.3, 1.0]])
K = len(TIERS)


def estimates(seed: int) -> AnswerQuality:
    """Any weights will do for what holds of every rule."""
    rng = np.random.default_rng(seed)
    knots = np.sort(rng.uniform(size=(K, 8)), axis=1)
    levels = np.sort(rng.uniform(size=(1, K, 8)), axis=2)
    signals = AnswerSignals(knots, levels, rng.normal(size=(K, SIGNALS)), np.ones(K), np.full(K, 0.5))
    shape = (2**K, K)
    return AnswerQuality(
        signals, rng.normal(size=(*shape, 1)), rng.normal(size=(*shape, K)), rng.normal(size=(*shape, SIGNALS, K))
    )


def rule(seed: int = 0, utility: Utility = ALWAYS_TOP, reach: Reach = Reach.DEARER) -> ContinuationRule:
    return ContinuationRule(TIERS, ("intent",), estimates(seed), COST[0], 1.0, utility, reach)


class Estimator:
    """A router that expects these qualities of every query."""

    def __init__(self, expected):
        self.expected = expected

    def route(self, query: Query) -> Route:
        pairs = zip(TIERS, self.expected, strict=True)
        return Route(query.task, "top", tuple(Estimate(t, float(q)) for t, q in pairs), "estimated")

    def parts(self) -> Parts:
        return Parts("router/estimator", {"expected": np.array(self.expected)}, {})


def ran(stop_rule: ContinuationRule, expected, scores):
    policy = Policy(PORTFOLIO, {"intent": TASK}, Estimator(expected), TokenUncertainty(), stop_rule)
    state = start(policy, Query("q", "intent", "text"))
    while isinstance(state, Ask):
        state = advance(policy, state, answer(state.tier, scores[TIERS.index(state.tier)]))
    return state.trace


def options(seed: int):
    return np.random.default_rng(seed).normal(scale=0.2, size=(2**K, K, TERMS))


chances = st.floats(0, 1)
rows = st.lists(
    st.tuples(st.lists(chances, min_size=K, max_size=K), st.lists(st.none() | chances, min_size=K, max_size=K)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=50)
@given(rows, st.integers(0, 50), st.floats(0, 3), st.floats(0, 0.3), st.booleans(), st.sampled_from(Reach))
def test_the_machine_and_the_replay_give_the_same_trace(table, seed, price, margin, ahead, reach):
    utility = Utility(price, margin, options(seed) if ahead else None)
    chosen = rule(seed, utility, reach)
    confidence = np.array([[np.nan if u is None else 1.0 - (1.0 - (1.0 - u)) for u in us] for _, us in table])
    n = len(table)
    evidence = Evidence(np.zeros(n, dtype=np.int64), np.array([q for q, _ in table]), confidence, np.ones((n, K)))
    predicted = np.stack([chosen.quality.predict(evidence, state) for state in range(2**K)])
    run = replay(predicted, np.tile(COST, (n, 1)), utility, reach)
    for i, (expected, scores) in enumerate(table):
        trace = ran(chosen, expected, scores)
        assert trace.tiers == tuple(t for t, called in zip(TIERS, run.called[i], strict=True) if called)
        assert trace.answer.tier == TIERS[run.final[i]]


@given(st.lists(chances, min_size=K, max_size=K), st.integers(0, 50))
def test_always_top_calls_the_top_tier_alone(expected, seed):
    assert ran(rule(seed), expected, [0.5] * K).tiers == ("top",)


@given(st.lists(chances, min_size=K, max_size=K), st.integers(0, 50), st.sampled_from([Reach.NEXT, Reach.CLIMB]))
def test_always_top_ends_at_the_top_however_it_must_climb(expected, seed, reach):
    assert ran(rule(seed, reach=reach), expected, [0.5] * K).answer.tier == "top"


def test_a_climb_weighs_every_tier_on_its_way():
    predicted, utility = np.array([[0.5, 0.1, 0.9]]), Utility(0.35, 0.0)
    dear = np.array([[0.05, 0.3, 1.0]])
    assert decide(predicted, 1, dear, utility, Reach.DEARER).call[0] == 2  # 0.9 - 0.35 > 0.5
    assert decide(predicted, 1, dear, utility, Reach.NEXT).call[0] == STOPS  # 0.9 - 0.35 * 1.3 < 0.5


@given(st.lists(chances, min_size=K, max_size=K), st.integers(1, 2**K - 1), st.floats(0, 3), st.floats(0, 0.3))
def test_it_stops_with_the_answer_of_the_largest_prediction(predicted, state, price, margin):
    decided = decide(np.array([predicted]), state, COST, Utility(price, margin))
    worth = np.array(predicted) + margin * (np.arange(K) == K - 1)
    assert worth[decided.answer[0]] == max(worth[members(state)])


@given(st.lists(chances, min_size=K, max_size=K), st.integers(0, 2**K - 1), st.floats(0, 3), st.booleans())
def test_it_calls_only_dearer_tiers_and_never_stops_with_nothing(predicted, state, price, ahead):
    decided = decide(np.array([predicted]), state, COST, Utility(price, 0.0, options(0) if ahead else None))
    call = decided.call[0]
    assert call == STOPS or call >= state.bit_length()
    assert state or call != STOPS


@given(st.lists(chances, min_size=K, max_size=K), st.integers(0, 2**K - 1), st.floats(0.01, 3), st.floats(0, 0.3))
def test_without_options_it_takes_the_largest_of_quality_minus_cost_and_stop(predicted, state, price, margin):
    utility = Utility(price, margin)
    decided = decide(np.array([predicted]), state, COST, utility)
    worth = np.array(predicted) + margin * (np.arange(K) == K - 1)
    calls = [worth[k] - price * COST[0, k] for k in range(state.bit_length(), K)]
    best = max([*calls, *worth[members(state)]])
    call = decided.call[0]
    got = worth[decided.answer[0]] if call == STOPS else worth[call] - price * COST[0, call]
    assert got == pytest.approx(best)


def test_an_informative_answer_is_called_for_only_with_its_option():
    predicted = np.array([[0.5, 0.5, 0.75]])
    one_step = decide(predicted, 0, COST, Utility(0.2, 0.0))
    weights = np.zeros((2**K, K, TERMS))
    weights[0, 0, 0] = 0.1
    ahead = decide(predicted, 0, COST, Utility(0.2, 0.0, weights))
    assert (one_step.call[0], ahead.call[0]) == (2, 0)


def test_route_only_stops_after_its_first_answer_and_a_cascade_climbs_in_order():
    confident = [0.9, 0.9, 0.9]
    assert len(ran(rule(3, Utility(0.3, 0.0), Reach.ONCE), [0.4, 0.5, 0.9], confident).tiers) == 1
    tiers = ran(rule(3, Utility(0.0, 2.0), Reach.NEXT), [0.4, 0.5, 0.9], confident).tiers
    assert tiers == TIERS


def test_what_no_answer_says_changes_nothing():
    quality = estimates(1)
    one = Evidence(np.zeros(1, dtype=np.int64), np.full((1, K), 0.5), np.full((1, K), np.nan), np.full((1, K), np.nan))
    other = replace(one, confidence=np.array([[0.9, np.nan, np.nan]]))
    assert np.array_equal(quality.predict(one, 0b010), quality.predict(other, 0b010))
    assert not np.array_equal(quality.predict(one, 0b001), quality.predict(other, 0b001))


@pytest.mark.parametrize("route", [Route("poetry", "small", (), ""), Route("intent", "small", (), "")])
def test_a_query_of_which_nothing_is_known_goes_to_the_top(route):
    verdict = rule(0, Utility(5.0, 0.0)).next(route, ())
    assert isinstance(verdict, Call)
    assert verdict.tier == "top"
    trace = ran(rule(0, Utility(5.0, 0.0)), [np.nan] * K, [None] * K)
    assert trace.tiers == ("top",)


@pytest.mark.parametrize("weights", [None, options(4)])
def test_it_comes_back_from_its_parts(weights):
    before = rule(2, Utility(0.4, 0.01, weights), Reach.DEARER)
    after = ContinuationRule.from_parts(before.parts())
    route = Estimator([0.3, 0.6, 0.8]).route(Query("q", "intent", ""))
    assert after.next(route, ()) == before.next(route, ())
    assert after.parts().meta == before.parts().meta
    assert after.parts().arrays.keys() == before.parts().arrays.keys()


def test_it_says_why():
    verdict = rule(0, Utility(0.1, 0.0)).next(Estimator([0.3, 0.6, 0.8]).route(Query("q", "intent", "")), ())
    assert isinstance(verdict, Call | Stop)
    assert "expected to reach quality" in verdict.reason


def test_a_routes_own_cost_estimates_go_before_the_mean_costs():
    expected = (0.55, 0.55, 0.8)
    plain = Route("intent", "top", tuple(map(Estimate, TIERS, expected)), "")
    dear = Route("intent", "top", tuple(map(Estimate, TIERS, expected, (0.05, 0.3, 40.0))), "")
    weighed = rule(0, Utility(0.1, 2.0))
    assert weighed.next(plain, ()).tier == "top"
    assert weighed.next(dear, ()).tier != "top"
