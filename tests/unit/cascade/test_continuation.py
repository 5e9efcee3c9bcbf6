"""The continuation rule: it weighs, it stops with its best answer, and the machine moves as the replay does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, answer

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.deadlines import Deadlines, Late, Latency
from routenlp.cascade.decision import ALWAYS_TOP, STOPS, TERMS, Reach, Utility, decide
from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals, Evidence, members
from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.replay.backtest.continuation import Timed, replay
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


def ran(stop_rule: ContinuationRule, expected, scores, latency_s=(0.01, 0.01, 0.01)):
    policy = Policy(PORTFOLIO, {"intent": TASK}, Estimator(expected), TokenUncertainty(), stop_rule)
    state = start(policy, Query("q", "intent", "text"))
    while isinstance(state, Ask):
        k = TIERS.index(state.tier)
        state = advance(policy, state, replace(answer(state.tier, scores[k]), latency_s=latency_s[k]))
    return state.trace


def options(seed: int):
    return np.random.default_rng(seed).normal(scale=0.2, size=(2**K, K, TERMS))


def deadlines(limit_s=1.0, nu=0.0, median_s=(0.1, 0.3, 0.8), sd=0.3):
    latency = Latency(np.log([median_s]), np.full((1, K), sd))
    return Deadlines(latency, np.array([limit_s]), np.array([nu]))


chances = st.floats(0, 1)
rows = st.lists(
    st.tuples(st.lists(chances, min_size=K, max_size=K), st.lists(st.none() | chances, min_size=K, max_size=K)),
    min_size=1,
    max_size=6,
)


limits = st.none() | st.builds(deadlines, st.sampled_from([0.05, 0.5, 1.0, 2.0, np.inf]), st.sampled_from([0.0, 0.3]))


@settings(deadline=None, max_examples=100)
@given(rows, st.integers(0, 50), st.floats(0, 3), st.floats(0, 0.3), st.booleans(), st.sampled_from(Reach), limits)
def test_the_machine_and_the_replay_give_the_same_trace(table, seed, price, margin, ahead, reach, limit):
    utility = Utility(price, margin, options(seed) if ahead else None, limit)
    chosen = rule(seed, utility, reach)
    confidence = np.array([[np.nan if u is None else 1.0 - (1.0 - (1.0 - u)) for u in us] for _, us in table])
    n = len(table)
    evidence = Evidence(np.zeros(n, dtype=np.int64), np.array([q for q, _ in table]), confidence, np.ones((n, K)))
    predicted = np.stack([chosen.quality.predict(evidence, state) for state in range(2**K)])
    latency_s = np.random.default_rng(seed).choice([0.01, 0.2, 0.6, np.nan], (n, K))
    run = replay(predicted, np.tile(COST, (n, 1)), utility, reach, Timed(evidence.task, latency_s))
    for i, (expected, scores) in enumerate(table):
        trace = ran(chosen, expected, scores, latency_s[i])
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


def test_a_tier_that_cannot_answer_in_time_is_not_called():
    expected = [0.2, 0.5, 0.9]
    assert ran(rule(1, Utility(0.01, 1.0)), expected, [0.5] * K).tiers == ("top",)
    hurried = ran(rule(1, Utility(0.01, 1.0, None, deadlines(limit_s=0.6))), expected, [0.5] * K)
    assert "top" not in hurried.tiers


def test_what_earlier_answers_took_counts_against_the_limit():
    chosen = rule(1, Utility(0.0, 2.0, None, deadlines(limit_s=1.0)), Reach.NEXT)
    assert ran(chosen, [0.5] * K, [0.5] * K, (0.01, 0.01, 0.01)).tiers == TIERS
    assert ran(chosen, [0.5] * K, [0.5] * K, (0.01, 0.5, 0.01)).tiers == TIERS[:2]


@given(st.lists(chances, min_size=K, max_size=K), st.integers(0, 50), st.sampled_from(Reach), st.floats(0, 1))
def test_a_query_is_answered_even_where_no_tier_can_be_in_time(expected, seed, reach, price):
    hopeless = rule(seed, Utility(price, 0.0, None, deadlines(limit_s=1e-6)), reach)
    unlimited = rule(seed, Utility(price, 0.0), reach)
    trace = ran(hopeless, expected, [0.5] * K)
    assert trace.tiers == ran(unlimited, expected, [0.5] * K).tiers[:1]
    assert "no tier is expected to answer in time" in unlimited_reason(hopeless, expected)


def unlimited_reason(chosen, expected):
    return chosen.next(Estimator(expected).route(Query("q", "intent", "")), ()).reason


def test_a_cascade_whose_first_tier_is_too_slow_goes_to_the_top():
    slow_small = deadlines(limit_s=1.0, median_s=(5.0, 0.3, 0.8))
    assert ran(rule(1, Utility(9.0, 0.0, None, slow_small), Reach.NEXT), [0.9] * K, [0.1] * K).tiers == ("top",)


def test_the_larger_nu_the_surer_a_tier_must_be_in_time():
    predicted, cost = np.array([[0.5, 0.6, 0.7]]), np.zeros((1, K))

    def called(nu):
        late = deadlines(limit_s=0.9, nu=nu).weigh(np.zeros(1, dtype=np.int64), np.zeros(1))
        return int(decide(predicted, 0, cost, Utility(0.1, 0.0), Reach.DEARER, late).call[0])

    assert [called(nu) for nu in (0.0, 0.1, 1.0)] == [2, 2, 1]


def test_an_answer_that_is_there_is_never_late():
    late = Late(np.ones((1, K)), np.zeros((1, K), dtype=bool))
    decided = decide(np.array([[0.4, 0.3, 0.9]]), 0b011, COST, Utility(0.1, 0.0), Reach.DEARER, late)
    assert (decided.call[0], decided.answer[0]) == (STOPS, 0)


def test_deadlines_come_back_from_the_rules_parts():
    before = rule(2, Utility(0.4, 0.01, None, deadlines(nu=0.2)))
    after = ContinuationRule.from_parts(before.parts()).utility.deadlines
    assert after.nu.tolist() == [0.2]
    assert np.array_equal(after.latency.log_mean, before.utility.deadlines.latency.log_mean)
    assert fingerprint(before.parts()) != fingerprint(rule(2, Utility(0.4, 0.01)).parts())


def test_a_task_with_a_utility_of_its_own_is_decided_by_it():
    thrifty, expected = Utility(9.0, 0.0), [0.4, 0.5, 0.9]
    assert ran(rule(0, ALWAYS_TOP), expected, [0.5] * K).tiers == ("top",)
    own = replace(rule(0, ALWAYS_TOP), of_task={"intent": thrifty, "poetry": ALWAYS_TOP})
    assert ran(own, expected, [0.5] * K).tiers == ran(rule(0, thrifty), expected, [0.5] * K).tiers != ("top",)
    back = ContinuationRule.from_parts(own.parts())
    assert ran(back, expected, [0.5] * K).tiers == ran(own, expected, [0.5] * K).tiers
    assert fingerprint(back.parts()) == fingerprint(own.parts())
