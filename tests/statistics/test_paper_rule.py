"""The paper's rule in worlds whose truth is known: what it promises it keeps, and what it does not promise it breaks.

A world draws the uncertainty of correct and of failed answers. Uniform scores of correct answers lose no generality:
the rule looks only at ranks.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from routenlp.conformal.paper import paper_threshold

DRAWS = 1_000
Z = 3.719  # one-sided 1e-4 of the normal, which the mean over 1,000 draws follows closely


def escalated_given_correct(n0: int, alpha: float, levels: int | None, seed: int) -> np.ndarray:
    """True P(escalated | correct) of each calibration draw. `levels`: scores are rounded up to that many values."""
    rng = np.random.default_rng(seed)
    risks = np.empty(DRAWS)
    for i in range(DRAWS):
        u = rng.random(n0)
        if levels is not None:
            u = np.ceil(u * levels) / levels
        found = paper_threshold(u, np.ones(n0, dtype=bool), alpha)
        risks[i] = 1.0 if found.threshold is None else 1.0 - found.threshold
    return risks


def tolerance(n0: int, alpha: float) -> float:
    """One-sided, for the mean over DRAWS draws of 1 - (r-th smallest of n0 uniforms), which is Beta(n0 + 1 - r, r)."""
    b = math.ceil(round((1 - alpha) * (n0 + 1), 9))
    a = n0 + 1 - b
    return Z * math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)) / DRAWS)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("n0", [19, 20, 38, 39, 100, 500, 1000])
def test_correct_answers_are_escalated_at_most_alpha_of_the_time_on_average(n0, alpha):
    mean = escalated_given_correct(n0, alpha, None, seed=n0).mean()
    assert mean <= alpha + tolerance(n0, alpha)


def test_at_19_correct_answers_the_mean_is_exactly_alpha():
    mean = escalated_given_correct(19, 0.05, None, seed=7).mean()
    assert abs(mean - 0.05) <= tolerance(19, 0.05)


@pytest.mark.parametrize("levels", [1, 3, 10])
@pytest.mark.parametrize("n0", [19, 100, 500])
def test_ties_only_make_it_escalate_less(n0, levels):
    mean = escalated_given_correct(n0, 0.05, levels, seed=n0 + levels).mean()
    assert mean <= 0.05 + tolerance(n0, 0.05)


@pytest.mark.parametrize("n0", range(19))
def test_below_19_correct_answers_it_escalates_all_and_says_the_promise_is_not_given(n0):
    found = paper_threshold(np.linspace(0.1, 0.9, n0), np.ones(n0, dtype=bool), 0.05)
    assert (found.threshold, found.promise_given, found.n0) == (None, False, n0)


def test_it_says_nothing_about_accepted_answers_that_failed():
    """A third fails and scores know little: the promise is kept, and P(failed | accepted) is far over alpha."""
    rng = np.random.default_rng(1)
    alpha, n = 0.05, 500
    needless, wrong = np.empty(DRAWS), np.empty(DRAWS)
    for i in range(DRAWS):
        correct = rng.random(n) < 2 / 3
        u = np.where(correct, rng.random(n), rng.random(n) ** 0.5)  # failed: density 2u on [0, 1]
        t = paper_threshold(u, correct, alpha).threshold
        assert t is not None
        needless[i] = 1 - t
        wrong[i] = t**2 / 3 / (t**2 / 3 + t * 2 / 3)
    assert needless.mean() <= alpha + tolerance(int(n * 2 / 3), alpha)
    assert wrong.min() > alpha
    assert wrong.mean() > 6 * alpha
