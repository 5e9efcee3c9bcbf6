"""When a turn pays, and when to stop, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.loop.economics import Gain, Outlay, break_even, expected_gain, gain_from_draws, should_stop


def test_break_even_is_the_cost_over_what_a_day_saves():
    outlay = Outlay(lessons=1_000, usd_a_lesson=0.02, training_usd=5.0, upkeep_usd_a_day=1.0)
    found = break_even(outlay, daily_top_usd=100.0, gain=Gain(0.06, 0.035))
    assert outlay.usd == pytest.approx(25.0)
    assert found.days == pytest.approx(25.0 / 5.0)
    assert found.cautious_days == pytest.approx(25.0 / 2.5)


def test_what_does_not_pay_its_upkeep_never_breaks_even():
    outlay = Outlay(10, 1.0, upkeep_usd_a_day=5.0)
    assert break_even(outlay, daily_top_usd=100.0, gain=Gain(0.05, -0.01)).days is None


def test_answers_that_were_paid_already_break_even_at_once():
    assert break_even(Outlay(500, 0.0), daily_top_usd=10.0, gain=Gain(0.1, 0.01)).cautious_days == 0.0


def test_the_bound_is_a_tenth_of_the_draws():
    assert gain_from_draws(0.5, np.linspace(0.0, 1.0, 101)).low == pytest.approx(0.1)


def test_undefined_draws_count_as_losses_and_no_draws_as_nothing_known():
    draws = np.array([np.nan] * 20 + [0.5] * 80)
    assert gain_from_draws(0.5, draws).low == -1.0
    assert should_stop(gain_from_draws(0.5, np.empty(0)))


@pytest.mark.parametrize(("low", "stops"), [(0.0049, True), (0.005, False), (0.1, False), (-0.2, True)])
def test_a_turn_goes_on_while_its_gain_is_surely_half_a_point(low, stops):
    assert should_stop(Gain(0.2, low)) is stops


def test_a_plan_hopes_for_the_sum_of_its_clusters():
    assert expected_gain([3.0, 2.0], [1.0, 0.5], top_bill_usd=100.0) == Gain(0.05, 0.015)
    assert expected_gain([3.0], [1.0], top_bill_usd=0.0) == Gain(0.0, 0.0)
