"""The paper's u."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import answer

from routenlp.scoring.token_uncertainty import TokenUncertainty, mean_uncertainty


def test_it_is_the_mean_of_one_minus_p():
    assert mean_uncertainty([1.0, 0.5, 0.75]) == pytest.approx(0.25)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_it_lies_between_0_and_1(probs):
    assert 0.0 <= mean_uncertainty(probs) <= 1.0


@pytest.mark.parametrize("probs", [None, (), (math.nan,), (1.2, 0.1), (-0.1,), (math.inf,)])
def test_what_is_no_probability_has_no_score(probs):
    assert mean_uncertainty(probs) is None


def test_the_scorer_reads_the_answers_own_probabilities():
    assert TokenUncertainty().score(answer("small", 0.3)) == pytest.approx(0.3)
    assert TokenUncertainty().score(answer("small", None)) is None
