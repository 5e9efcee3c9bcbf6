"""The weighted mean against its definition, and how often its interval holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.drift.trend import Trend, TrendState
from routenlp.errors import DataError


def seen(trend, qualities):
    state = TrendState()
    for quality in qualities:
        state = trend.see(state, quality)
    return state


@given(st.lists(st.floats(0, 1), min_size=3, max_size=50), st.floats(1.5, 100.0))
def test_it_is_the_weighted_mean_of_all_samples(qualities, half_life):
    weights = 0.5 ** (np.arange(len(qualities))[::-1] / half_life)
    mean = np.average(qualities, weights=weights)
    state = seen(Trend(half_life), qualities)
    assert state.mean == pytest.approx(mean)
    assert state.spread == pytest.approx(weights @ (np.array(qualities) - mean) ** 2, abs=1e-9)
    assert state.squared == pytest.approx(weights @ weights)


def test_a_fall_shows_within_two_half_lives():
    trend = Trend(50.0)
    rng = np.random.default_rng(0)
    good = seen(trend, (rng.random(500) < 0.95).astype(float).tolist())
    state = good
    for quality in (rng.random(100) < 0.5).astype(float).tolist():
        state = trend.see(state, quality)
    assert trend.now(state).high < trend.now(good).low


def test_the_interval_holds_about_as_often_as_it_says():
    trend, held = Trend(200.0), 0
    rng = np.random.default_rng(1)
    for _ in range(300):
        found = trend.now(seen(trend, (rng.random(600) < 0.7).astype(float).tolist()))
        held += found.low <= 0.7 <= found.high
    assert 270 <= held <= 298


def test_before_two_samples_nothing_is_said():
    trend = Trend(10.0)
    assert trend.now(TrendState()) is None
    assert trend.now(seen(trend, [0.5])) is None


@pytest.mark.parametrize("quality", [-0.1, 1.5, float("nan")])
def test_a_quality_outside_its_range_is_refused(quality):
    with pytest.raises(DataError, match="quality"):
        Trend(10.0).see(TrendState(), quality)
