"""Chances of being late, from a table of the normal distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.cascade.deadlines import Deadlines, Latency, normal_tail

TASK = np.zeros(1, dtype=np.int64)


def of(median_s, sd=0.5):
    return Latency(np.log([[median_s]]), np.array([[sd]]))


@given(st.floats(-40, 40))
def test_the_table_is_the_normal_tail(z):
    assert normal_tail(np.array([z]))[0] == pytest.approx(math.erfc(z / math.sqrt(2.0)) / 2.0, abs=1e-6)


@pytest.mark.parametrize(("left_s", "late"), [(0.8, 0.5), (1e9, 0.0), (0.0, 1.0), (-1.0, 1.0), (np.inf, 0.0)])
def test_a_tier_is_late_as_its_log_normal_says(left_s, late):
    assert of(0.8).late(TASK, np.array([left_s]))[0, 0] == pytest.approx(late, abs=1e-6)


def test_a_share_of_draws_is_late_as_predicted():
    drawn = np.random.default_rng(0).lognormal(np.log(0.8), 0.5, 200_000)
    assert of(0.8).late(TASK, np.array([1.3]))[0, 0] == pytest.approx((drawn > 1.3).mean(), abs=0.005)


def test_nothing_is_said_of_a_tier_of_which_nothing_is_known():
    weighed = Deadlines(of(np.nan), np.array([0.1]), np.array([1.0])).weigh(TASK, np.array([5.0]))
    assert weighed.penalty[0, 0] == 0.0
    assert weighed.feasible[0, 0]


def test_a_task_without_a_limit_is_never_late():
    weighed = Deadlines(of(3.0), np.array([np.inf]), np.array([1.0])).weigh(TASK, np.array([5.0]))
    assert weighed.penalty[0, 0] == 0.0
    assert weighed.feasible[0, 0]


def test_a_tier_is_infeasible_where_its_median_is_over_what_is_left():
    limit = Deadlines(of(0.8), np.array([1.0]), np.array([0.0]))
    assert limit.weigh(TASK, np.array([0.15])).feasible[0, 0]
    assert not limit.weigh(TASK, np.array([0.25])).feasible[0, 0]


def test_a_latency_that_was_not_measured_counts_as_the_median():
    limit, first = Deadlines(of(0.8), np.array([1.0]), np.array([0.0])), np.zeros(1, dtype=np.int64)
    assert limit.taken(TASK, first, np.array([np.nan]))[0] == pytest.approx(0.8)
    assert limit.taken(TASK, first, np.array([0.3]))[0] == 0.3
    unknown = Deadlines(of(np.nan), np.array([1.0]), np.array([0.0]))
    assert unknown.taken(TASK, first, np.array([np.nan]))[0] == 0.0


def test_what_is_expected_of_a_query_goes_before_what_is_usual():
    limit = Deadlines(of(0.8), np.array([1.0]), np.array([1.0]))
    usual = limit.weigh(TASK, np.zeros(1))
    slow = limit.weigh(TASK, np.zeros(1), np.log([[2.0]]))
    unknown = limit.weigh(TASK, np.zeros(1), np.array([[np.nan]]))
    assert usual.feasible[0, 0]
    assert not slow.feasible[0, 0]
    assert slow.penalty[0, 0] > usual.penalty[0, 0]
    assert unknown.penalty[0, 0] == usual.penalty[0, 0]
