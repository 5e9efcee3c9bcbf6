"""Uncertainty from token probabilities: the paper's u, the least sure token, the tail."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import answer

from routenlp.scoring.features import UNCERTAINTIES, uncertainties
from routenlp.scoring.token_uncertainty import TokenUncertainty, max_uncertainty, mean_uncertainty, tail_uncertainty

every_measure = pytest.mark.parametrize("measure", UNCERTAINTIES.values(), ids=UNCERTAINTIES)


def test_the_mean_is_of_one_minus_p():
    assert mean_uncertainty([1.0, 0.5, 0.75]) == pytest.approx(0.25)


def test_the_maximum_is_of_the_least_sure_token():
    assert max_uncertainty([1.0, 0.5, 0.75]) == pytest.approx(0.5)


@pytest.mark.parametrize(("others", "expected"), [(0, 0.8), (9, 0.8), (10, 0.4), (19, 0.4)])
def test_the_tail_is_a_tenth_of_the_tokens_rounded_up(others, expected):
    assert tail_uncertainty([0.2, *[1.0] * others]) == pytest.approx(expected)


@every_measure
@given(st.lists(st.floats(0, 1), min_size=1))
def test_it_lies_between_0_and_1(measure, probs):
    assert 0.0 <= measure(probs) <= 1.0


@given(st.lists(st.floats(0, 1), min_size=1))
def test_mean_tail_and_maximum_rise(probs):
    mean, maximum, tail = uncertainties(probs)
    assert mean <= tail + 1e-12
    assert tail <= maximum + 1e-12


@every_measure
@pytest.mark.parametrize("probs", [None, (), (math.nan,), (1.2, 0.1), (-0.1,), (math.inf,)])
def test_what_is_no_probability_has_no_score(measure, probs):
    assert measure(probs) is None
    assert all(math.isnan(u) for u in uncertainties(probs))


def test_the_scorer_reads_the_answers_own_probabilities():
    assert TokenUncertainty().score(answer("small", 0.3)) == pytest.approx(0.3)
    assert TokenUncertainty().score(answer("small", None)) is None
