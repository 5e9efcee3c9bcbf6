"""What a stack is made of, and what it says where it knows little."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.graded_world import TASKS, bounds, graded_world

from routenlp.errors import TrainingError
from routenlp.router.estimators import estimator_from_parts
from routenlp.training.logistic_fit import log_loss
from routenlp.training.stack_fit import fit_stack

train = graded_world(500, seed=1)


def fit(quality, *, rows=train, tasks=TASKS, **options):
    return fit_stack(*rows.arguments(quality), tasks=tasks, seed=0, **bounds(quality.shape[1]), **options)


def lacking(tier, kept):
    quality = train.quality.copy()
    quality[kept:, tier] = np.nan
    return quality


def test_nothing_falls_back_where_outcomes_are_many():
    assert fit(train.quality).model.fallbacks == ()


def test_a_tier_of_few_outcomes_has_its_mean_and_says_so():
    found = fit(lacking(1, 12))
    estimates = found.model.estimate(train.features, train.task)
    assert np.ptp(estimates[:, 1]) == 0.0
    assert np.ptp(estimates[:, 0]) > 0.1
    own, every = train.quality[:12, 1], np.nanmean(lacking(1, 12))
    assert estimates[0, 1] == pytest.approx((own.sum() + 5.0 * every) / 17.0)
    assert found.model.fallbacks == (f"tier 2: 12 outcomes, so its mean {estimates[0, 1]:.2f} for every query",)
    assert (found.held_out[:, 1] == estimates[0, 1]).all()


def test_fallbacks_are_stored():
    model = fit(lacking(1, 12)).model
    assert estimator_from_parts(model.parts()).fallbacks == model.fallbacks


def test_all_tiers_may_fall_back():
    quality = np.where(np.arange(500)[:, None] < 15, train.quality, np.nan)
    found = fit(quality)
    assert len(found.model.fallbacks) == 3
    assert np.ptp(found.model.estimate(train.features, train.task), axis=0).max() == 0.0


def test_a_task_never_seen_is_named_and_estimated_by_all_tasks():
    model = fit(train.quality, tasks=TASKS + 1).model
    assert model.fallbacks == ("task 6: no outcomes, so what is known over all tasks",)
    unseen = model.estimate(train.features, np.full(500, TASKS))
    assert unseen.mean(axis=0) == pytest.approx(train.quality.mean(axis=0), abs=0.1)


def test_without_features_the_task_is_what_there_is():
    rows = graded_world(400, seed=2)
    quality = (np.random.default_rng(0).uniform(size=(400, 3)) < 0.2 + 0.15 * rows.task[:, None]).astype(float)
    blank = np.zeros((400, 0), dtype=np.float32)
    model = fit_stack(blank, rows.task, quality, rows.groups, tasks=TASKS, seed=0, **bounds()).model
    found = model.estimate(np.zeros((2, 0), dtype=np.float32), np.array([0, 4]))
    assert (found[0] < 0.35).all()
    assert (found[1] > 0.6).all()


def test_a_blend_is_no_worse_than_its_members():
    def loss(members):
        return np.mean(log_loss(fit(train.quality, members=members).held_out, train.quality))

    assert loss(("logistic", "landmarks")) < max(loss(("logistic",)), loss(("landmarks",)))


def test_pure_noise_is_seen_through():
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 2, (500, 1)).astype(float)
    held_out = fit(noise).held_out[:, 0]
    assert abs(np.corrcoef(held_out, noise[:, 0])[0, 1]) < 0.15 or np.ptp(held_out) < 0.05


def test_costs_are_estimated_above_their_floor():
    cost = np.exp(train.features[:, :1].astype(float) + np.array([0.0, 2.0]))
    low, high = 0.2 * cost.mean(axis=0), np.full(2, np.inf)
    found = fit_stack(*train.arguments(cost), tasks=TASKS, seed=0, low=low, high=high, members=("ridge", "landmarks"))
    estimates = found.model.estimate(train.features, train.task)
    assert (estimates >= low * (1.0 - 1e-12)).all()
    assert ((estimates - cost) ** 2).mean() < 0.3 * ((cost - cost.mean(axis=0)) ** 2).mean()


def test_a_tier_without_outcomes_is_refused_with_a_remedy():
    with pytest.raises(TrainingError, match=r"tier 3: has no outcome on 500 queries\. Probe it"):
        fit(lacking(2, 0))
