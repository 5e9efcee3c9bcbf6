"""What the continuation rule knows: calibrated, and better with answers than without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.cascade.decision import call_value
from routenlp.cascade.estimates import Evidence
from routenlp.errors import TrainingError
from routenlp.replay.backtest.ladder import training_rows
from routenlp.training.answer_quality import fit_answers
from routenlp.training.continuation import fit_continuation_rule
from routenlp.training.logistic import soft_logistic
from routenlp.training.lookahead import fit_options
from routenlp.training.ridge_fit import fit_ridge, fold_of_groups


def predicted(fitted, rows, state):
    expected = fitted.router.estimate(rows.features, rows.task)
    return fitted.quality.predict(Evidence(rows.task, expected, rows.confidence, rows.answer_length), state)


def error(fitted, rows, state, k):
    return float(((predicted(fitted, rows, state)[:, k] - rows.quality[:, k]) ** 2).mean())


@pytest.fixture(scope="module")
def fitted():
    return fit_continuation_rule(training_rows(world(2000, 0)), seed=0)


def test_answers_improve_on_the_router(fitted):
    unseen = world(4000, 1)
    before, own, both = (error(fitted, unseen, state, 0) for state in (0b000, 0b001, 0b011))
    assert own < 0.8 * before
    assert both < own


def test_an_answer_says_something_of_the_tiers_not_yet_asked(fitted):
    unseen = world(4000, 2)
    assert error(fitted, unseen, 0b001, 2) < error(fitted, unseen, 0b000, 2)


def test_predictions_are_calibrated(fitted):
    unseen = world(20_000, 3)
    q = predicted(fitted, unseen, 0b011)[:, 1]
    for low in (0.1, 0.4, 0.7):
        near = (q >= low) & (q < low + 0.2)
        assert unseen.quality[near, 1].mean() == pytest.approx(q[near].mean(), abs=0.05)


def test_held_out_predictions_err_as_on_unseen_rows(fitted):
    train, unseen = world(2000, 0), world(8000, 4)
    held_out = float(((fitted.held_out[0b001][:, 0] - train.quality[:, 0]) ** 2).mean())
    assert held_out == pytest.approx(error(fitted, unseen, 0b001, 0), abs=0.02)


def test_pure_noise_is_seen_through_by_held_out_estimates():
    rng = np.random.default_rng(0)
    features, quality = rng.normal(size=(200, 60)).astype(np.float32), rng.integers(0, 2, (200, 1)).astype(float)
    routes = fit_ridge(
        features,
        np.zeros(200, dtype=np.int64),
        quality,
        np.arange(200),
        tasks=1,
        seed=0,
        low=np.zeros(1),
        high=np.ones(1),
    )
    assert abs(np.corrcoef(routes.held_out[:, 0], quality[:, 0])[0, 1]) < 0.2


def test_few_rows_leave_the_estimate_near_the_mean_of_task_and_tier():
    rows = world(30, 5)
    few = fit_continuation_rule(training_rows(rows), seed=0)
    q = predicted(few, world(500, 6), 0)
    assert np.abs(q.mean(axis=0) - rows.quality.mean(axis=0)).max() < 0.15


def test_missing_confidences_are_no_obstacle():
    rows = world(600, 7)
    rows.confidence[::2, 0] = np.nan
    assert np.isfinite(predicted(fit_continuation_rule(training_rows(rows), seed=0), rows, 0b111)).all()


def test_groups_are_never_cut():
    groups = np.random.default_rng(0).integers(0, 40, 500)
    fold = fold_of_groups(groups, 5, seed=1)
    assert all(len(np.unique(fold[groups == g])) == 1 for g in range(40))
    assert len(np.unique(fold)) == 5


def test_more_than_five_tiers_are_refused():
    wide = np.full((20, 6), 0.5)
    evidence = Evidence(np.zeros(20, dtype=np.int64), wide, wide, wide)
    with pytest.raises(TrainingError, match="are 6, which have 64 states"):
        fit_answers(evidence, wide, np.arange(20), tasks=1, seed=0)


def test_newton_finds_the_minimum_that_its_gradient_names():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 4)), rng.uniform(size=300)
    penalty, prior = np.array([0.1, 1.0, 5.0, 20.0]), np.array([0.0, 1.0, -1.0, 0.5])
    w = soft_logistic(x, y, penalty, prior=prior)
    p = 1.0 / (1.0 + np.exp(-(x @ w)))
    assert np.abs(x.T @ (p - y) + penalty * (w - prior)).max() < 0.01


def value_of_information(train):
    """Mean option of the cheapest tier's answer before anything was called."""
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    relative_cost = fitted.held_out_cost
    utility = fit_options(fitted.held_out, train.quality, relative_cost, 0.3, 0.0)
    worth, nothing = fitted.held_out[0], np.full(train.n, -np.inf)
    with_option = call_value(worth, nothing, 0, 0, relative_cost, utility)
    without = call_value(worth, nothing, 0, 0, relative_cost, replace(utility, options=None))
    return float((with_option - without).mean())


def test_information_is_worth_something_only_where_answers_inform():
    train = world(1500, 8)
    silent = replace(
        train, confidence=np.full_like(train.quality, np.nan), answer_length=np.full_like(train.quality, np.nan)
    )
    assert value_of_information(silent) < 0.005
    assert value_of_information(train) > 0.02
