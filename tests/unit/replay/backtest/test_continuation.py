"""The replay pays for what it calls, and returns what it paid for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.cascade.decision import ALWAYS_TOP, Reach, Utility
from routenlp.replay.backtest.continuation import reachable, replay
from routenlp.replay.backtest.rows import Run

K = 3
predictions = arrays(np.float64, (2**K, 5, K), elements=st.floats(0, 1))
COST = np.tile([0.1, 0.4, 1.0], (5, 1))


@given(predictions, st.floats(0, 3), st.floats(0, 0.5), st.sampled_from(Reach))
def test_every_row_ends_with_an_answer_that_was_called(predicted, price, margin, reach):
    run = replay(predicted, COST, Utility(price, margin), reach)
    assert run.called[np.arange(5), run.final].all()


@given(predictions, st.floats(0, 3), st.sampled_from(Reach))
def test_no_row_comes_into_a_state_that_its_reach_rules_out(predicted, price, reach):
    run = replay(predicted, COST, Utility(price, 0.0), reach)
    ended = (run.called * (1 << np.arange(K))).sum(axis=1)
    assert all(reachable(int(state), reach) for state in ended)


@given(predictions)
def test_always_top_is_always_top(predicted):
    run = replay(predicted, COST, ALWAYS_TOP)
    assert (run.final == K - 1).all()
    assert run.called.sum() == 5


@given(predictions)
def test_at_a_price_that_nothing_is_worth_the_cheapest_tier_answers(predicted):
    run = replay(predicted, COST, Utility(100.0, 0.0))
    assert (run.final == 0).all()
    assert run.called.sum() == 5


def test_a_disappointing_answer_is_escalated_and_the_better_one_returned():
    predicted = np.zeros((2**K, 1, K))
    predicted[0b000] = [0.8, 0.5, 0.9]
    predicted[0b001] = [0.2, 0.5, 0.9]
    predicted[0b101] = [0.7, 0.0, 0.6]
    run = replay(predicted, COST[:1], Utility(0.3, 0.0))
    assert run.called.tolist() == [[True, False, True]]
    assert run.final.tolist() == [0]


def test_the_latency_of_a_run_is_that_of_every_tier_called():
    rows = replace(world(2, 0), latency_s=np.array([[0.1, 0.2, 0.8], [0.1, np.nan, 0.8]]))
    called = np.array([[True, False, True], [False, True, True]])
    slow = Run(np.array([2, 2]), called).latency_s(rows)
    assert slow[0] == pytest.approx(0.9)
    assert np.isnan(slow[1])
    assert np.isnan(Run(np.array([2, 2]), called).latency_s(world(2, 0))).all()
