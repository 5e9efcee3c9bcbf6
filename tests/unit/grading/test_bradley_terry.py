"""Strengths from wins: right where the truth is known, finite where the wins make no sense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routenlp.grading.bradley_terry import outcomes_from_preferences, strengths
from routenlp.grading.preferences import PreferencePairs

ZERO = np.zeros((1, 3))


def pairs(*rows: tuple[int, int, int, float]) -> PreferencePairs:
    row, first, second = (np.array([r[i] for r in rows], dtype=np.int64) for i in range(3))
    return PreferencePairs(row, first, second, np.array([r[3] for r in rows]), np.ones(len(rows)))


def test_two_tiers_have_the_odds_of_their_wins():
    z = strengths(np.array([[[0.0, 300.0], [100.0, 0.0]]]), np.zeros((1, 2)), 1e-6)[0]
    assert z[0] - z[1] == pytest.approx(np.log(3.0), abs=1e-6)


def test_known_strengths_are_found():
    truth = np.array([-0.7, -0.1, 0.8])
    wins = 1e5 / (1.0 + np.exp(truth[None, :] - truth[:, None]))
    np.fill_diagonal(wins, 0.0)
    assert strengths(wins[None], ZERO, 1e-3)[0] == pytest.approx(truth, abs=1e-4)


def test_a_circle_gives_equal_strengths():
    circle = np.array([[[0.0, 9, 0], [0, 0, 9], [9, 0, 0]]])
    assert strengths(circle, ZERO, 1.0)[0] == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_tier_that_never_loses_stays_finite():
    z = strengths(np.array([[[0.0, 1e6, 1e6], [0, 0, 0], [0, 0, 0]]]), ZERO, 1.0)[0]
    assert np.isfinite(z).all()
    assert z[0] < 20.0


@given(arrays(np.float64, (2, 3, 3), elements=st.floats(0, 1e4)))
def test_every_matrix_of_wins_has_a_solution(wins):
    wins = wins * (1.0 - np.eye(3))
    z = strengths(wins, np.zeros((2, 3)), 0.5)
    assert np.isfinite(z).all()
    beats = 1.0 / (1.0 + np.exp(z[:, None, :] - z[:, :, None]))
    gradient = ((wins + wins.transpose(0, 2, 1)) * beats - wins).sum(axis=2) + 0.5 * z
    assert np.abs(gradient).max() < 1e-4 * (1.0 + wins.max())


def test_outcomes_follow_the_querys_own_preferences():
    told = pairs((0, 0, 2, 0.0), (1, 0, 2, 0.0), (2, 0, 2, 1.0))
    out = outcomes_from_preferences(told, 4, 3)
    assert out[0, 2] > out[0, 0]
    assert out[2, 0] > out[0, 0]
    assert out[2, 2] < out[0, 2]


def test_what_was_not_compared_has_no_outcome():
    out = outcomes_from_preferences(pairs((0, 0, 2, 0.0)), 2, 3)
    assert np.isnan(out).tolist() == [[False, True, False], [True, True, True]]


def test_a_tie_pulls_the_sides_together():
    lost = outcomes_from_preferences(pairs((0, 0, 1, 0.0), (1, 0, 1, 0.0)), 2, 2)
    tied = outcomes_from_preferences(pairs((0, 0, 1, 0.0), (1, 0, 1, 0.5)), 2, 2)
    assert tied[1, 1] - tied[1, 0] < lost[1, 1] - lost[1, 0]
