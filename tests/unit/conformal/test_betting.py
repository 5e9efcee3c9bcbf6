"""The betting p-value against its formula written out, its edges, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.betting import Bounded, p_values
from routenlp.errors import DataError


def by_hand(z, delta, low, high):
    """The recipe, one row after the other."""
    n, m = len(z), -low / (high - low)
    capital = best = 1.0
    total, squares = 0.5, 0.25
    variance = 0.25
    for i, value in enumerate(z, start=1):
        x = (value - low) / (high - low)
        stake = min(math.sqrt(2 * math.log(1 / delta) / (n * variance)), 0.9 / (1 - m))
        capital *= 1 - stake * (x - m)
        best = max(best, capital)
        total += x
        squares += (x - total / (i + 1)) ** 2
        variance = squares / (i + 1)
    return min(1.0, 1.0 / best)


@given(st.lists(st.floats(-1, 0.97), min_size=1, max_size=60), st.sampled_from([0.01, 0.1, 0.5]))
def test_it_is_the_recipe(z, delta):
    got = p_values(Bounded(np.array([z]), -1.0, 1.0), np.arange(len(z)), delta)
    assert got[0] == pytest.approx(by_hand(z, delta, -1.0, 1.0), rel=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_it_is_the_recipe_for_losses_too(lost):
    z = np.array(lost) - 0.05
    got = p_values(Bounded(z, -0.05, 0.95), np.arange(len(z)), 0.1)
    assert float(got) == pytest.approx(by_hand(z, 0.1, -0.05, 0.95), rel=1e-9)


def test_policies_are_tested_each_alone_and_in_the_given_order():
    rng = np.random.default_rng(0)
    z, order = rng.uniform(-1, 0.9, (4, 50)), rng.permutation(50)
    together = p_values(Bounded(z, -1.0, 1.0), order, 0.1)
    assert together == pytest.approx([by_hand(row[order], 0.1, -1.0, 1.0) for row in z])


def test_a_policy_that_matches_the_top_tier_passes_soon_after_the_least_number_of_labels():
    def passes(n):
        return float(p_values(Bounded(np.full(n, -0.03 * 0.9), -1.0, 1.0), np.arange(n), 0.1)) <= 0.1

    least = math.ceil(math.log(10) / math.log1p(0.9 * 0.03 * 0.9))  # were every stake the largest
    assert (least, passes(least - 1), passes(least + 10)) == (96, False, True)


def test_no_row_and_no_evidence_are_p_one():
    assert list(p_values(Bounded(np.empty((2, 0)), -1.0, 1.0), np.arange(0), 0.1)) == [1.0, 1.0]
    assert float(p_values(Bounded(np.full(300, 0.5), -1.0, 1.0), np.arange(300), 0.1)) == 1.0


def test_no_policy_is_no_p_value():
    assert p_values(Bounded(np.empty((0, 5)), -1.0, 1.0), np.arange(5), 0.1).shape == (0,)


@pytest.mark.parametrize("value", [1.2, -1.2, float("nan"), float("inf")])
def test_a_value_outside_its_bounds_is_refused(value):
    with pytest.raises(DataError, match=r"outside \[-1, 1\]"):
        p_values(Bounded(np.array([0.0, value]), -1.0, 1.0), np.arange(2), 0.1)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 0.0), (1.0, -1.0)])
def test_bounds_must_enclose_zero(bounds):
    with pytest.raises(DataError, match="bounds"):
        p_values(Bounded(np.zeros(3), *bounds), np.arange(3), 0.1)


@pytest.mark.parametrize("order", [[0, 1], [0, 0, 1], [1, 2, 3]])
def test_an_order_is_a_permutation(order):
    with pytest.raises(DataError, match="permutation"):
        p_values(Bounded(np.zeros(3), -1.0, 1.0), np.array(order), 0.1)
