"""The paper's threshold: which order statistic, and the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.paper import paper_threshold, rank
from routenlp.errors import SettingsError


def all_correct(u):
    return paper_threshold(np.asarray(u, dtype=float), np.ones(len(u), dtype=bool), 0.05)


def test_it_is_the_ceil_of_one_minus_alpha_times_n0_plus_one_th_smallest():
    u = np.arange(1, 101) / 100
    assert all_correct(u[::-1]).threshold == 0.96  # ceil(0.95 * 101) = 96


@pytest.mark.parametrize(
    ("n0", "alpha", "r"), [(19, 0.05, 19), (18, 0.05, 19), (99, 0.1, 90), (0, 0.05, 1), (59, 0.35, 39)]
)
def test_rank_is_not_moved_by_rounding(n0, alpha, r):
    assert rank(n0, alpha) == r


def test_no_correct_answer_escalates_all():
    found = paper_threshold(np.array([0.1, 0.2]), np.array([False, False]), 0.05)
    assert (found.threshold, found.n, found.n0, found.promise_given) == (None, 2, 0, False)


def test_no_row_at_all_escalates_all():
    assert all_correct([]).threshold is None


def test_equal_scores_pass_together():
    assert all_correct([0.3] * 40).threshold == 0.3


def test_an_answer_without_score_counts_nowhere():
    found = paper_threshold(np.array([np.nan] * 5 + [0.2] * 20), np.ones(25, dtype=bool), 0.05)
    assert (found.n, found.n0) == (20, 20)


def test_failed_answers_do_not_move_the_threshold():
    u, correct = np.array([0.1] * 20 + [0.05, 0.9]), np.array([True] * 20 + [False, False])
    assert paper_threshold(u, correct, 0.05).threshold == 0.1


def test_alpha_one_accepts_nothing_and_gives_its_promise():
    found = paper_threshold(np.array([0.1] * 20), np.ones(20, dtype=bool), 1.0)
    assert (found.threshold, found.promise_given) == (None, True)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.5, float("nan")])
def test_an_alpha_that_is_no_level_is_refused(alpha):
    with pytest.raises(SettingsError, match="alpha"):
        paper_threshold(np.array([0.1]), np.array([True]), alpha)


@given(st.lists(st.floats(0, 1), min_size=19, max_size=80), st.floats(0.05, 0.9))
def test_at_most_alpha_of_the_calibrated_correct_answers_lie_above_it(u, alpha):
    found = paper_threshold(np.array(u), np.ones(len(u), dtype=bool), alpha)
    above = sum(x > found.threshold for x in u) if found.threshold is not None else len(u)
    assert above <= alpha * (len(u) + 1)
