"""Factors of queries, and a new tier placed by a few probes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.graded_world import TASKS, bounds, graded_world

from routenlp.errors import TrainingError
from routenlp.training.factors_fit import Probes, fit_factors, with_new_tier
from routenlp.training.logistic_fit import log_loss

train, fresh = graded_world(1500, seed=1), graded_world(1500, seed=2)
known = fit_factors(*train.arguments(train.quality[:, [0, 2]]), tasks=TASKS, seed=0, **bounds(2)).model


def probes(count, seed):
    rows = graded_world(count, seed)
    return Probes(rows.features, rows.task, rows.quality[:, 1])


def test_factors_are_standardised():
    factors = known.factors(train.features, train.task)
    assert factors[:, 0].mean() == pytest.approx(0.0, abs=0.1)
    assert factors[:, 0].std() == pytest.approx(1.0, abs=0.15)


def test_twenty_probes_say_more_than_their_mean():
    gained = []
    for seed in range(10, 30):
        seen = probes(20, seed)
        found = with_new_tier(known, seen).estimate(fresh.features, fresh.task)[:, -1]
        mean = np.full(1500, (seen.quality.sum() + 5.0 * train.quality.mean()) / 25.0)
        gained.append(np.mean(log_loss(mean, fresh.quality[:, 1])) - np.mean(log_loss(found, fresh.quality[:, 1])))
    assert np.mean(gained) > 0.03
    assert np.mean(np.array(gained) > 0.0) >= 0.8


def test_more_probes_come_nearer():
    def error(count):
        found = [with_new_tier(known, probes(count, seed)) for seed in range(40, 50)]
        return np.mean([((m.estimate(fresh.features, fresh.task)[:, -1] - fresh.chance[:, 1]) ** 2) for m in found])

    assert error(200) < error(10)


def test_known_tiers_stay_as_they_were():
    both = with_new_tier(known, probes(20, 3))
    before, after = (m.estimate(fresh.features, fresh.task) for m in (known, both))
    assert after.shape == (1500, 3)
    assert np.allclose(after[:, :2], before)


def test_a_probe_that_contradicts_moves_the_estimate_a_little():
    one = Probes(train.features[:1], train.task[:1], np.zeros(1))
    found = with_new_tier(known, one).estimate(fresh.features, fresh.task)
    between = known.estimate(fresh.features, fresh.task).mean()
    assert between - 0.25 < found[:, -1].mean() < between


def test_a_tier_without_probes_is_refused():
    nothing = Probes(train.features[:0], train.task[:0], np.zeros(0))
    with pytest.raises(TrainingError, match="new tier: has no graded answer"):
        with_new_tier(known, nothing)
