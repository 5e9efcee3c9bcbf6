"""A prompt cache can make the machine call a dearer tier than the rule would by itself, never a cheaper one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.cascade.test_continuation import COST, Estimator, K, rule
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, answer, policy, thresholds

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import Utility
from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals
from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Query

QUERY = Query("q", "intent", "text")
chances = st.floats(0.02, 0.98)


def as_expected(price: float) -> Policy:
    """Predicts what the router expects, whatever was answered."""
    shape = (2**K, K)
    weights = np.zeros((*shape, K))
    weights[:, np.arange(K), np.arange(K)] = 1.0
    signals = AnswerSignals(np.zeros((K, 1)), np.zeros((1, K, 1)), np.zeros((K, SIGNALS)), np.zeros(K), np.ones(K))
    quality = AnswerQuality(signals, np.zeros((*shape, 1)), weights, np.zeros((*shape, SIGNALS, K)))
    chosen = ContinuationRule(TIERS, ("intent",), quality, COST[0], 1.0, Utility(price, 0.0))
    return Policy(PORTFOLIO, {"intent": TASK}, Estimator((0.80, 0.84, 0.85)), TokenUncertainty(), chosen)


def test_a_cache_that_is_worth_more_than_the_difference_keeps_its_tier() -> None:
    assert start(as_expected(0.2), QUERY).tier == "small"
    kept = start(as_expected(0.2), QUERY, {"mid": 0.25})
    assert kept.tier == "mid"
    assert "prompt cache" in kept.reason


def test_one_that_is_worth_less_does_not() -> None:
    assert start(as_expected(0.2), QUERY, {"mid": 0.02}).tier == "small"


def test_a_cheaper_tiers_cache_never_takes_a_query_from_a_dearer_one() -> None:
    assert start(as_expected(0.1), QUERY).tier == "mid"
    assert start(as_expected(0.1), QUERY, {"small": 10.0}).tier == "mid"


def test_an_answer_may_be_left_for_a_dearer_tier_that_holds_the_cache() -> None:
    chosen = as_expected(0.2)
    ask = start(chosen, QUERY)
    held = tuple(replace(e, cached_usd=0.9 if e.tier == "top" else 0.0) for e in ask.route.estimates)
    assert isinstance(advance(chosen, ask, answer("small")), Done)
    moved = advance(chosen, replace(ask, route=replace(ask.route, estimates=held)), answer("small"))
    assert isinstance(moved, Ask)
    assert moved.tier == "top"


def test_a_rule_that_weighs_no_costs_is_left_alone() -> None:
    assert start(policy(thresholds({"small": 0.2})), QUERY, {"mid": 9.0}).tier == "small"


@settings(deadline=None)
@given(
    st.lists(chances, min_size=K, max_size=K),
    st.integers(0, 20),
    st.floats(0, 3),
    st.dictionaries(st.sampled_from(TIERS), st.floats(0, 2)),
    st.lists(chances, min_size=K, max_size=K),
)
def test_no_first_call_is_cheaper_for_a_cache_and_every_climb_goes_up(expected, seed, price, cached, scores) -> None:
    by = Policy(PORTFOLIO, {"intent": TASK}, Estimator(expected), TokenUncertainty(), rule(seed, Utility(price, 0.0)))
    plain, state = start(by, QUERY), start(by, QUERY, cached)
    assert TIERS.index(state.tier) >= TIERS.index(plain.tier)
    called = []
    while isinstance(state, Ask):
        called.append(state.tier)
        state = advance(by, state, answer(state.tier, scores[TIERS.index(state.tier)]))
    assert called == sorted(called, key=TIERS.index)


@pytest.mark.parametrize("cached", [None, {}, {"unknown": 1.0}])
def test_without_a_cache_nothing_changes(cached) -> None:
    assert start(as_expected(0.2), QUERY, cached) == start(as_expected(0.2), QUERY)
