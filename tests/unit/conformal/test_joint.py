"""Rule `joint`: the walk agrees with its closed form for a single cheap tier."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routenlp.conformal.groups import row_units
from routenlp.conformal.joint import joint, single_tier_threshold
from routenlp.conformal.verdict import Method, Status
from routenlp.errors import SettingsError


def walked(scores, failed, alpha=0.05, delta=0.1):
    """The walk over every threshold that the calibration scores can tell apart."""
    steps = np.unique(scores)
    lost = (scores[None] <= steps[:, None]) & failed
    verdict = joint(lost, alpha=alpha, delta=delta, units=row_units(len(scores), seed=0))
    return float(steps[verdict.selected - 1]) if verdict.selected else None


@given(
    st.integers(1, 400),
    st.floats(0, 0.6),
    st.sampled_from([None, 3, 10]),
    st.sampled_from([0.02, 0.05, 0.2]),
    st.integers(0, 10_000),
)
def test_for_one_cheap_tier_it_is_the_closed_form(n, rate, levels, alpha, seed):
    rng = np.random.default_rng(seed)
    failed = rng.random(n) < rate
    scores = np.clip(rng.random(n) * 0.7 + 0.3 * failed, 0, 1)
    if levels is not None:
        scores = np.ceil(scores * levels) / levels
    closed = single_tier_threshold(scores, failed, alpha, 0.1)
    expected = float(scores.max()) if closed == math.inf else closed
    assert walked(scores, failed, alpha) == expected


def test_with_at_most_k_star_failures_everything_is_accepted():
    scores, failed = np.linspace(0, 1, 100), np.zeros(100, dtype=bool)
    failed[:1] = True  # k* is 1 at n = 100
    assert single_tier_threshold(scores, failed, 0.05, 0.1) == math.inf
    failed[1] = True
    assert single_tier_threshold(scores, failed, 0.05, 0.1) == 0.0


def test_under_45_rows_nothing_can_be_proved_at_the_papers_target():
    fine = np.zeros((1, 44), dtype=bool)
    verdict = joint(fine, alpha=0.05, delta=0.1, units=row_units(44, seed=0))
    assert (verdict.selected, verdict.status) == (0, Status.UNCERTIFIED)
    assert single_tier_threshold(np.linspace(0, 1, 44), fine[0], 0.05, 0.1) is None
    assert joint(np.zeros((1, 45)), alpha=0.05, delta=0.1, units=row_units(45, seed=0)).selected == 1


def test_when_the_best_score_failed_too_often_nothing_is_accepted():
    assert single_tier_threshold(np.full(100, 0.5), np.arange(100) < 20, 0.05, 0.1) is None


def test_the_bound_is_clopper_pearson():
    lost = np.arange(500) < 10
    verdict = joint(lost, alpha=0.05, delta=0.1, units=row_units(500, seed=0))
    assert verdict.method is Method.EXACT_BINOMIAL
    assert verdict.bound == pytest.approx(stats.beta.ppf(0.9, 11, 490), abs=1e-9)


def test_corrected_losses_are_bet_on():
    losses = np.full((1, 400), 0.01)
    verdict = joint(losses, alpha=0.1, delta=0.1, units=row_units(400, seed=0), bounds=(-1.0, 2.0))
    assert (verdict.selected, verdict.method, verdict.status) == (1, Method.BETTING, Status.CERTIFIED)


def test_losses_that_are_neither_0_nor_1_need_their_bounds():
    with pytest.raises(SettingsError, match="bounds"):
        joint(np.full((1, 50), 0.5), alpha=0.05, delta=0.1, units=row_units(50, seed=0))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_an_alpha_that_is_no_level_is_refused(alpha):
    with pytest.raises(SettingsError, match="alpha"):
        joint(np.zeros((1, 50)), alpha=alpha, delta=0.1, units=row_units(50, seed=0))
