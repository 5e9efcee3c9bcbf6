"""A query too long for a tier: the tier is not called, and one that reads it in parts is as dear as all its calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.cascade.test_continuation import K, rule
from tests.unit.cascade.test_prompt_caches import QUERY, as_expected, chances
from tests.unit.cascade.test_prompt_caches import Estimator as Expects
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, answer, policy, thresholds

from routenlp.cascade.deadlines import Deadlines, Latency
from routenlp.cascade.decision import Utility
from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.cascade.readable import Beyond
from routenlp.scoring.token_uncertainty import TokenUncertainty

NO = Beyond(readable=False)


def test_a_tier_that_it_does_not_fit_is_not_called() -> None:
    by = as_expected(0.2)
    assert start(by, QUERY).tier == "small"
    asked = start(by, QUERY, beyond={"small": NO})
    assert asked.tier == "mid"
    assert asked.route.too_long == ("small",)


def test_reading_in_parts_is_chosen_while_it_is_worth_its_cost() -> None:
    by = as_expected(0.2)
    assert start(by, QUERY, beyond={"small": Beyond(True, 0.01, 3)}).tier == "small"
    assert start(by, QUERY, beyond={"small": Beyond(True, 5.0, 3)}).tier == "mid"


def test_a_dear_middle_is_skipped_and_never_left_for_a_cheaper_tier() -> None:
    by = as_expected(0.1)
    assert start(by, QUERY).tier == "mid"
    assert start(by, QUERY, beyond={"mid": Beyond(True, 50.0, 3)}).tier in ("mid", "top")
    assert start(by, QUERY, beyond={"mid": NO}).tier == "top"


def test_a_rule_of_thresholds_skips_it_too() -> None:
    by = policy(thresholds({"small": 0.2, "mid": 0.2}))
    asked = start(by, QUERY, beyond={"small": NO})
    assert asked.tier == "mid"
    assert "small cannot read so long a query" in asked.reason
    assert start(by, QUERY, beyond={"small": NO, "mid": NO}).tier == "top"


def test_where_no_tier_can_read_it_the_top_one_is_asked() -> None:
    for by in (as_expected(0.2), policy(thresholds({"small": 0.2}))):
        assert start(by, QUERY, beyond=dict.fromkeys(TIERS, NO)).tier == "top"


def test_after_an_answer_a_tier_that_cannot_read_it_is_passed_over() -> None:
    by = policy(thresholds({"small": 0.0, "mid": 0.0}))
    asked = start(by, QUERY, beyond={"mid": NO})
    assert asked.tier == "small"
    moved = advance(by, asked, answer("small"))
    assert isinstance(moved, Ask)
    assert moved.tier == "top"


def test_rounds_make_a_tier_late() -> None:
    import numpy as np

    latency = Latency(np.log(np.full((1, K), 0.5)), np.full((1, K), 0.1))
    deadlines = Deadlines(latency, np.array([1.0]), np.array([0.5]))
    by = as_expected(0.2)
    in_time = replace(by, stop_rule=replace(by.stop_rule, utility=Utility(0.2, 0.0, deadlines=deadlines)))
    assert start(in_time, QUERY).tier == "small"
    assert start(in_time, QUERY, beyond={"small": Beyond(True, 0.0, 4)}).tier == "mid"


@settings(deadline=None)
@given(
    st.lists(chances, min_size=K, max_size=K),
    st.integers(0, 20),
    st.floats(0, 3),
    st.dictionaries(
        st.sampled_from(TIERS),
        st.just(NO) | st.builds(Beyond, st.just(True), st.floats(0, 2), st.integers(1, 9)),
        min_size=1,
    ),
    st.dictionaries(st.sampled_from(TIERS), st.floats(0, 2)),
)
def test_no_call_is_cheaper_for_it_and_none_is_of_a_tier_that_cannot_read(
    expected, seed, price, beyond, cached
) -> None:
    by = Policy(PORTFOLIO, {"intent": TASK}, Expects(expected), TokenUncertainty(), rule(seed, Utility(price, 0.0)))
    plain, state = start(by, QUERY), start(by, QUERY, cached, beyond)
    assert TIERS.index(state.tier) >= TIERS.index(plain.tier)
    while isinstance(state, Ask):
        assert beyond.get(state.tier, NO).readable or state.tier not in beyond or state.tier == "top"
        state = advance(by, state, answer(state.tier))
    assert isinstance(state, Done)


@pytest.mark.parametrize("beyond", [None, {}])
def test_of_a_query_that_fits_nothing_changes(beyond) -> None:
    assert start(as_expected(0.2), QUERY, beyond=beyond) == start(as_expected(0.2), QUERY)
