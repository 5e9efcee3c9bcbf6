"""How many labels it takes: each answer is where the rule itself begins to pass."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.groups import row_units
from routenlp.conformal.joint import joint
from routenlp.conformal.labels_needed import for_conditional, for_joint, for_quality_ratio, least_for_quality_ratio
from routenlp.conformal.quality_ratio import quality_ratio


@pytest.mark.parametrize(("alpha", "delta", "n"), [(0.05, 0.1, 45), (0.1, 0.1, 22), (0.01, 0.05, 299)])
def test_without_a_loss_joint_needs_a_k_star(alpha, delta, n):
    assert for_joint(0.0, alpha=alpha, delta=delta) == n


@pytest.mark.parametrize("risk", [0.001, 0.02, 0.04])
def test_joint_passes_at_its_number_and_not_one_row_earlier(risk):
    n = for_joint(risk, alpha=0.05, delta=0.1)

    def passes(n):
        lost = np.arange(n) < np.ceil(risk * n)
        return joint(lost, alpha=0.05, delta=0.1, units=row_units(n, seed=0)).selected == 1

    assert passes(n)
    assert not passes(n - 1)


@pytest.mark.parametrize("risk", [0.05, 0.2, 1.0])
def test_what_misses_the_target_is_never_proved(risk):
    assert for_joint(risk, alpha=0.05, delta=0.1) is None
    assert for_conditional(risk, 0.5, alpha=0.05, delta=0.1) is None


def test_what_is_next_to_the_target_is_never_proved_either():
    assert for_joint(0.049999, alpha=0.05, delta=0.1) is None


def test_conditional_needs_them_among_the_accepted():
    assert for_conditional(0.0, 0.25, alpha=0.05, delta=0.1) == 180
    assert for_conditional(0.0, 0.0, alpha=0.05, delta=0.1) is None


@pytest.mark.parametrize(("q_top", "about"), [(0.9, 96), (0.25, 343)])
def test_the_least_for_a_quality_ratio(q_top, about):
    assert np.ceil(least_for_quality_ratio(q_top, eps=0.03, delta=0.1)) == about


def test_a_top_tier_of_no_quality_can_never_be_matched():
    assert least_for_quality_ratio(0.0, eps=0.03, delta=0.1) == np.inf


@pytest.mark.parametrize("loss", [0.0, 0.005, 0.015])
@pytest.mark.parametrize("asymptotic", [False, True])
def test_a_quality_ratio_passes_about_half_of_the_time_at_its_number(loss, asymptotic):
    rng = np.random.default_rng(0)
    routed, top = (rng.random(4_000) >= loss).astype(float), np.ones(4_000)
    n = for_quality_ratio(routed, top, eps=0.03, delta=0.1, asymptotic=asymptotic)
    passed = [passes(rng, routed, n, asymptotic) for _ in range(200)]
    earlier = [passes(rng, routed, n // 3, asymptotic) for _ in range(200)]
    assert np.mean(passed) > 0.4
    assert asymptotic or np.mean(earlier) < np.mean(passed) - 0.1  # the normal test asks for 250 whatever it sees


def passes(rng, routed, n, asymptotic):
    some = rng.choice(routed, n)
    units = row_units(n, seed=0)
    return quality_ratio(some, np.ones(n), eps=0.03, delta=0.1, units=units, asymptotic=asymptotic).selected == 1


def test_a_quality_ratio_never_needs_fewer_than_the_least():
    top = np.full(100, 0.9)
    assert for_quality_ratio(top, top, eps=0.03, delta=0.1) >= 96
    assert for_quality_ratio(top, top, eps=0.03, delta=0.1, asymptotic=True) >= 250


@pytest.mark.parametrize("asymptotic", [False, True])
def test_a_quality_ratio_that_is_missed_is_never_proved(asymptotic):
    assert for_quality_ratio(np.full(9, 0.9), np.ones(9), eps=0.03, delta=0.1, asymptotic=asymptotic) is None
    assert for_quality_ratio([], [], eps=0.03, delta=0.1, asymptotic=asymptotic) is None
