"""The sign-flip test of the concurrent control."""

from __future__ import annotations

import numpy as np

from routenlp.bench.pilot.control import flip_test


def test_a_clear_difference_is_found():
    rng = np.random.default_rng(0)
    groups = [str(i) for i in range(200)]
    assert flip_test(rng.normal(0.5, 1.0, 200), groups, seed=0) < 0.01


def test_no_difference_is_rarely_found():
    rng = np.random.default_rng(1)
    groups = [str(i) for i in range(60)]
    found = [flip_test(rng.normal(size=60), groups, seed=seed) < 0.1 for seed in range(30)]
    assert sum(found) < 9


def test_a_group_counts_once_however_many_rows_it_has():
    assert flip_test(np.ones(1_000), ["one"] * 1_000, seed=0) == 1.0


def test_rows_without_any_difference_prove_none():
    assert flip_test(np.zeros(10), [str(i) for i in range(10)], seed=0) == 1.0
