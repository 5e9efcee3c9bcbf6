"""Samples that say the same are sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.scoring.agreement import disagreement, minority

samples = st.lists(st.sampled_from(["yes", "Yes.", "no", "", " no"]), min_size=2)


@pytest.mark.parametrize(
    ("said", "expected"),
    [(["yes", "Yes.", " yes "], 0.0), (["a", "b"], 1.0), (["a", "a", "b"], 2 / 3), (["", " "], 0.0)],
)
def test_it_is_the_share_of_pairs_that_differ(said, expected):
    assert disagreement(said) == pytest.approx(expected)


@given(samples)
def test_it_lies_between_0_and_1_and_has_no_order(said):
    found = disagreement(said)
    assert 0.0 <= found <= 1.0
    assert disagreement(said[::-1]) == found


@pytest.mark.parametrize("said", [[], ["alone"]])
def test_fewer_than_two_samples_say_nothing(said):
    assert disagreement(said) is None


def test_the_minority_is_the_share_that_says_otherwise():
    assert minority(["a", "A.", "b", "c"], "a") == 0.5
    assert minority([], "a") is None


def test_the_form_of_answers_can_be_given():
    assert disagreement(["1.0", "1"], form=lambda text: str(float(text))) == 0.0
