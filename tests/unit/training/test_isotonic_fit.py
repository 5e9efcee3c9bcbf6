"""Fitted rising maps."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.graded_world import bounds

from routenlp.training.isotonic_fit import fit_isotonic, rising


def maps_of(p, y, task=None, tasks=1):
    at = np.zeros(len(p), dtype=np.int64) if task is None else task
    return fit_isotonic(p[:, None], y[:, None], at, tasks=tasks, **bounds(1))


def mapped(maps, p, task=0):
    return maps.of(np.array([[p]]), np.array([task]))[0, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 300), st.integers(0, 10_000))
def test_maps_rise_and_stay_within_bounds(n, seed):
    rng = np.random.default_rng(seed)
    levels = maps_of(rng.uniform(size=n), rng.integers(0, 2, n).astype(float)).levels
    assert (np.diff(levels, axis=2) >= 0.0).all()
    assert ((levels >= 0.0) & (levels <= 1.0)).all()


def test_overconfidence_is_corrected():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=5_000)
    y = (rng.uniform(size=5_000) < 0.5 + 0.2 * (p - 0.5)).astype(float)
    maps = maps_of(p, y)
    assert abs(mapped(maps, 0.9) - 0.58) < 0.05
    assert abs(mapped(maps, 0.1) - 0.42) < 0.05


def test_a_task_with_rows_has_a_map_of_its_own_and_one_with_few_its_tiers():
    rng = np.random.default_rng(0)
    p, task = rng.uniform(size=4_000), np.repeat([0, 1], 2_000)
    y = np.where(task == 0, rng.uniform(size=4_000) < 0.8, rng.uniform(size=4_000) < 0.2).astype(float)
    task[:3], y[:3] = 2, 0.0
    maps = maps_of(p, y, task, tasks=4)
    assert mapped(maps, 0.5, 0) > 0.7
    assert mapped(maps, 0.5, 1) < 0.3
    assert abs(mapped(maps, 0.5, 2) - mapped(maps, 0.5, 3)) < 0.15
    assert 0.4 < mapped(maps, 0.5, 3) < 0.6


def test_without_outcomes_what_was_predicted_is_kept():
    p = np.linspace(0.0, 1.0, 50)
    assert abs(mapped(maps_of(p, np.full(50, np.nan)), 0.37) - 0.37) < 1e-9


def test_violators_are_pooled():
    knots = np.array([0.0, 0.5, 1.0])
    found = rising(knots, np.repeat(knots, 1_000), np.repeat([0.9, 0.1, 0.5], 1_000), np.zeros(3))
    assert np.ptp(found) < 0.02
    assert abs(found[0] - 0.5) < 0.05
