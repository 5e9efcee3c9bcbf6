"""Corrected judge labels: the promise of `quality_ratio` holds whatever the judge is worth."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.guarantees.run import most_misses
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.predictions import Gold, corrected, span, tuned_lambda

DRAWS = 1_000
PROPENSITY = 0.3
EPS = 0.1


def passes(judge_right, loss, n, seed, chunk=250):
    """In how many of DRAWS calibrations a policy with this share of losses passes. The top tier is always right."""
    rng = np.random.default_rng(seed)
    passed = 0
    own = sample(rng, (2_000,), judge_right, loss)
    lam = tuned_lambda(1 - EPS - own[1], 1 - EPS - own[0], PROPENSITY)
    for _ in range(DRAWS // chunk):
        gold, judged = sample(rng, (chunk, n), judge_right, loss)
        which = Gold(rng.random((chunk, n)) < PROPENSITY, np.full((chunk, n), PROPENSITY))
        z = (1 - EPS) * corrected(np.ones((chunk, n)), np.ones((chunk, n)), which, lam) - corrected(
            judged, gold, which, lam
        )
        s = span(which, lam)
        passed += int(np.count_nonzero(p_values(Bounded(z, -s, s), np.arange(n), 0.1) <= 0.1))
    return passed


def sample(rng, shape, judge_right, loss):
    gold = (rng.random(shape) >= loss).astype(float)
    return gold, np.where(rng.random(shape) < judge_right, gold, 1.0 - gold)


@pytest.mark.parametrize("judge_right", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("n", [100, 1_000])
def test_a_policy_at_its_target_passes_at_most_delta_of_the_time(judge_right, n):
    assert passes(judge_right, loss=EPS, n=n, seed=1) <= most_misses(DRAWS, 6)


def test_a_good_judge_buys_power():
    assert passes(0.98, loss=0.08, n=2_000, seed=2) > passes(0.5, loss=0.08, n=2_000, seed=2) + 100
