"""Latency is fitted by task, shrunk to the tier, and unknown where it is."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.router.estimators import estimator_from_parts
from routenlp.router.one_row import TOLERANCE, one_row
from routenlp.training.latency_fit import FEWEST, FittedLatency, fit_latency, fit_query_latency


def drawn(n, median_s, sd, seed=0):
    return np.random.default_rng(seed).lognormal(np.log(median_s), sd, (n, 1))


def test_a_log_normal_is_found():
    fitted = fit_latency(drawn(5_000, 0.8, 0.36), np.zeros(5_000, dtype=np.int64), tasks=1, tiers=1)
    assert fitted.log_mean[0, 0] == pytest.approx(np.log(0.8), abs=0.02)
    assert fitted.log_sd[0, 0] == pytest.approx(0.36, abs=0.02)


def test_a_task_of_many_rows_has_its_own_and_one_of_few_the_tiers():
    task = np.repeat([0, 1, 2], [500, 500, 3])
    seconds = np.concatenate([drawn(500, 0.2, 0.3), drawn(500, 2.0, 0.3), drawn(3, 50.0, 0.3)])
    median = np.exp(fit_latency(seconds, task, tasks=4, tiers=1).log_mean[:, 0])
    assert median[0] < 0.3
    assert median[1] > 1.5
    assert 0.5 < median[2] < 1.2
    assert median[3] == pytest.approx(np.exp(np.log(seconds).mean()))


def test_too_few_answers_leave_a_tier_unknown():
    seconds = drawn(50, 1.0, 0.1)
    seconds[FEWEST - 1 :] = np.nan
    assert np.isnan(fit_latency(seconds, np.zeros(50, dtype=np.int64), tasks=2, tiers=1).log_mean).all()
    assert np.isnan(fit_latency(None, np.zeros(50, dtype=np.int64), tasks=2, tiers=3).log_sd).all()


def test_a_tier_that_always_takes_the_same_keeps_some_spread():
    fitted = fit_latency(np.full((40, 1), 0.0), np.zeros(40, dtype=np.int64), tasks=1, tiers=1)
    assert np.isfinite(fitted.log_mean).all()
    assert (fitted.log_sd > 0.0).all()


def queries(n=600, seed=0, told=1.0, apart=1.0):
    """Two tiers; the first feature says how long the first one takes, the second takes the same for all."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    task = rng.integers(0, 2, n)
    log_s = apart * np.array([-1.0, 1.0])[task] + told * features[:, 0] + rng.normal(0.0, 0.3, n)
    return features, task, np.stack([np.exp(log_s), rng.lognormal(0.0, 0.3, n)], axis=1)


def fitted(latency_s, features, task) -> FittedLatency:
    return fit_query_latency(latency_s, features, task, np.arange(len(task)), tasks=2, tiers=2, seed=0)


def test_a_query_that_tells_more_than_its_task_has_a_latency_of_its_own():
    features, task, seconds = queries()
    found = fitted(seconds, features, task)
    assert found.model is not None
    unseen, its_task, its_seconds = queries(seed=1)
    error = np.log(its_seconds) - found.model.estimate(unseen, its_task)
    usual = np.log(its_seconds) - found.latency.log_mean[its_task]
    assert (error[:, 0] ** 2).mean() < 0.2 * (usual[:, 0] ** 2).mean()
    assert found.latency.log_sd[:, 0] == pytest.approx(error[:, 0].std(), rel=0.15)


def test_a_tier_of_which_queries_tell_nothing_has_its_tasks_usual():
    features, task, seconds = queries()
    found = fitted(seconds, features, task)
    assert found.model is not None
    assert (found.model.estimate(features, task)[:, 1] == found.latency.log_mean[task, 1]).all()
    assert (found.latency.log_sd[:, 1] == fit_latency(seconds, task, tasks=2, tiers=2).log_sd[:, 1]).all()


def test_where_no_query_tells_anything_there_is_no_model():
    features, task, seconds = queries(told=0.0, apart=0.0)
    found = fitted(seconds, features, task)
    assert found.model is None
    assert found.held_out is None
    assert fitted(None, features, task).model is None
    assert fitted(seconds, features[:, :0], task).model is None


def test_unknown_latencies_are_left_out():
    features, task, seconds = queries()
    seconds[::3, 0] = np.nan
    seconds[5:, 1] = np.nan
    found = fitted(seconds, features, task)
    assert found.model is not None
    estimates = found.model.estimate(features, task)
    assert np.isfinite(estimates[:, 0]).all()
    assert np.isnan(estimates[:, 1]).all()


def test_a_model_is_stored_and_says_the_same_of_one_query():
    features, task, seconds = queries()
    model = fitted(seconds, features, task).model
    assert model is not None
    together = estimator_from_parts(model.parts()).estimate(features, task)
    np.testing.assert_array_equal(together, model.estimate(features, task))
    route = one_row([model])
    for i in range(10):
        np.testing.assert_allclose(route(features[i], int(task[i]))[0], together[i], atol=TOLERANCE)
