"""Weights of a blend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenlp.training.blend import blend_weights


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), st.integers(0, 10_000))
def test_weights_are_shares(members, n, seed):
    errors = np.random.default_rng(seed).normal(size=(members, n))
    weights = blend_weights(errors)
    assert (weights >= 0.0).all()
    assert weights.sum() == pytest.approx(1.0)
    assert weights.sum() <= 1.0


def test_the_better_member_weighs_more():
    rng = np.random.default_rng(0)
    weights = blend_weights(np.stack([rng.normal(size=5_000), 3.0 * rng.normal(size=5_000)]))
    assert weights[0] == pytest.approx(0.9, abs=0.03)


def test_a_member_that_only_adds_error_is_left_out():
    first = np.random.default_rng(0).normal(size=5_000)
    assert blend_weights(np.stack([first, 2.0 * first])).tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_members_alike_and_few_rows_weigh_the_same():
    errors = np.random.default_rng(0).normal(size=(2, 5))
    assert blend_weights(errors) == pytest.approx([0.5, 0.5], abs=0.05)
    assert blend_weights(np.ones((3, 10))) == pytest.approx([1 / 3] * 3)
