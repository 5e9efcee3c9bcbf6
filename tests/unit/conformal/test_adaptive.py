"""Adaptive conformal inference: its level, its threshold, and its promise about the average."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.adaptive import Adaptive, threshold_at
from routenlp.conformal.paper import paper_threshold
from routenlp.errors import SettingsError


def test_an_escalated_right_answer_lowers_the_level_and_an_accepted_one_raises_it():
    rule = Adaptive(0.1, 0.01)
    assert rule.see(0.1, escalated=True) == pytest.approx(0.1 - 0.009)
    assert rule.see(0.1, escalated=False) == pytest.approx(0.1 + 0.001)


def test_at_its_own_level_the_threshold_is_the_papers():
    scores = np.random.default_rng(0).random(200)
    assert threshold_at(0.05, scores) == paper_threshold(scores, np.ones(200, dtype=np.bool_), 0.05).threshold


def test_levels_beyond_0_and_1_accept_everything_and_nothing():
    scores = np.linspace(0.0, 1.0, 50)
    assert threshold_at(-0.01, scores) == float("inf")
    assert threshold_at(1.0, scores) is None


def test_too_few_scores_accept_nothing():
    assert threshold_at(0.05, np.array([0.1] * 10)) is None


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_the_share_of_errors_is_near_alpha_whatever_the_scores_do(drift):
    rng, rule, level, errors, n = np.random.default_rng(1), Adaptive(0.1, 0.02), 0.1, 0, 3_000
    seen = list(rng.random(100))
    for t in range(n):
        limit = threshold_at(level, np.array(seen[-300:]))
        score = rng.random() + drift * t / n
        escalated = limit is None or score > limit
        errors += escalated
        level = rule.see(level, escalated=escalated)
        seen.append(score)
    assert abs(errors / n - 0.1) <= (0.9 + 0.02) / (0.02 * n)


def test_levels_and_steps_outside_0_and_1_are_refused():
    with pytest.raises(SettingsError):
        Adaptive(0.0)
    with pytest.raises(SettingsError):
        Adaptive(0.1, 1.0)
