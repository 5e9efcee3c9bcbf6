"""A cut-off: the cheapest tier good enough, the top tier when in doubt; and the estimates it is put on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routenlp.router.estimator import LinearEstimator, features
from routenlp.router.pre_router import first_positions


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_cutoff_never_begins_cheaper(rows, low, high):
    low, high = sorted((low, high))
    estimates = np.array(rows)
    assert (first_positions(estimates, low) <= first_positions(estimates, high)).all()


def test_no_estimate_means_the_top_tier():
    assert first_positions(np.array([[np.nan, np.nan, np.nan]]), 0.0).tolist() == [2]


def test_only_a_task_with_heads_has_estimates():
    estimator = LinearEstimator({"intent": np.zeros((3, 7))})
    rows = features(np.zeros((1, 2), dtype=np.float32), ["abc"])
    assert estimator.estimate("poetry", rows) is None
    np.testing.assert_array_equal(estimator.estimate("intent", rows), [[0.5, 0.5, 0.5]])
