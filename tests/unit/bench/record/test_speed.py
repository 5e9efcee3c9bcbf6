"""Seconds a token, from whole queries."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.record.latency import fit_speed


def test_seconds_a_token_are_found_again_and_none_is_negative():
    drawn = np.random.default_rng(0)
    counts = np.stack([np.ones(40), drawn.integers(200, 1_500, 40), drawn.integers(5, 80, 40)], axis=1).astype(float)
    took = counts @ [0.05, 0.002, 0.02] + drawn.normal(0, 0.01, 40)
    timed = fit_speed(counts, took)
    speed = timed.speed
    assert timed.queries == 40
    assert (speed.read_s, speed.written_s) == pytest.approx((0.002, 0.02), rel=0.05)
    assert min(fit_speed(counts, counts @ [-1.0, 0.002, 0.02]).speed.fixed_s, speed.fixed_s) >= 0.0
