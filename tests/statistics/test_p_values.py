"""p-values of hypotheses that are exactly true: each is at most u with probability at most u."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.guarantees.run import most_misses
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.binomial import lower_tail
from routenlp.conformal.groups import group_units

DRAWS = 4_000
LEVELS = (0.01, 0.05, 0.1, 0.3)


def coin(low, high):
    """Two values with mean 0."""
    return np.array([low, high]), np.array([high, -low]) / (high - low)


AT_TARGET = {
    "rare and large losses": coin(-0.001, 0.97),
    "small losses": coin(-0.03, 0.04),
    "rare and large gains": coin(-1.0, 0.02),
    "even": coin(-1.0, 1.0),
    "constant": (np.array([0.0]), np.array([1.0])),
    "many values": (np.linspace(-1, 1, 21), np.full(21, 1 / 21)),
}


def check(p):
    for level in LEVELS:
        assert np.count_nonzero(p <= level) <= most_misses(len(p), len(AT_TARGET) * 12, level)


@pytest.mark.parametrize("kind", AT_TARGET)
@pytest.mark.parametrize("n", [20, 100, 500])
def test_betting(kind, n):
    values, chances = AT_TARGET[kind]
    z = np.random.default_rng(n).choice(values, size=(DRAWS, n), p=chances)
    check(p_values(Bounded(z, -1.0, 1.0), np.arange(n), 0.1))


@pytest.mark.parametrize("n", [20, 100, 500])
def test_exact_tails(n):
    check(lower_tail(np.random.default_rng(n).binomial(n, 0.05, DRAWS), n, 0.05))


def test_groups_of_which_the_large_ones_are_worse():
    """Of rows 5% are lost, all of them in groups of 10; the mean over groups is 1% or so, and would pass falsely."""
    rng = np.random.default_rng(0)
    sums, means = [], []
    for seed in range(500):
        large = rng.random(400) < 0.1
        sizes = np.where(large, 10, 1)
        rate = 0.05 * (0.1 * 10 + 0.9) / (0.1 * 10)  # so that rows are lost at 5% overall
        lost = np.concatenate([rng.random(size) < rate if size == 10 else np.zeros(1, dtype=bool) for size in sizes])
        names = np.repeat(np.arange(400), sizes).astype(str).tolist()
        units = group_units(names, seed=seed, rows_a_group=10)
        sample = units.bounded(lost - 0.05, -0.05, 0.95)
        sums.append(float(p_values(sample, units.order, 0.1)))
        mean = units.sums(lost) / units.sums(np.ones(units.n)) - 0.05
        means.append(float(p_values(Bounded(mean, -0.05, 0.95), units.order, 0.1)))
    assert np.count_nonzero(np.array(sums) <= 0.1) <= most_misses(500, 1)
    assert np.count_nonzero(np.array(means) <= 0.1) > 400
