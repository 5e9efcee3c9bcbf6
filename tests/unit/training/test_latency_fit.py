"""Latency is fitted by task, shrunk to the tier, and unknown where it is."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.training.latency_fit import FEWEST, fit_latency


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
