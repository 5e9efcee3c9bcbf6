"""Waits double, are drawn, and heed what the endpoint says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.remote.retry import LONGEST_S, PATIENCE_S, delay_s, retry_after_s


@given(st.integers(0, 60), st.floats(0.0, 1.0, exclude_max=True))
def test_waits_are_bounded_and_at_least_half_of_the_full_wait(attempt, chance):
    full = delay_s(attempt, None, 1.0)
    assert full is not None
    assert 0.5 * full <= delay_s(attempt, None, chance) <= full <= LONGEST_S


def test_waits_double():
    assert [delay_s(i, None, 1.0) for i in range(3)] == [0.25, 0.5, 1.0]


def test_an_endpoint_is_taken_at_its_word_up_to_a_point():
    assert delay_s(0, 3.0, 0.0) == 3.0
    assert delay_s(0, PATIENCE_S + 1, 0.0) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), (None, None), ("soon", None), ("-1", None), ("nan", None), ("inf", None)],
)
def test_the_header(value, seconds):
    assert retry_after_s(value) == seconds
