"""Evidence looked at after every row: where the hypothesis is true, it reaches 1 / delta seldom enough, ever."""

from __future__ import annotations

import math

import numpy as np
import pytest

from routenlp.bench.guarantees.run import most_misses
from routenlp.conformal.betting import Bounded
from routenlp.conformal.sequential import log_evidence

DRAWS, ROWS = 2_000, 600
LEVELS = (0.02, 0.05, 0.1, 0.3)


def coin(low, high):
    """Two values with mean 0."""
    return np.array([low, high]), np.array([high, -low]) / (high - low)


AT_TARGET = {
    "rare and large losses": coin(-0.02, 0.97),
    "rare and large gains": coin(-1.0, 0.02),
    "even": coin(-1.0, 1.0),
    "many values": (np.linspace(-1, 1, 21), np.full(21, 1 / 21)),
}


@pytest.mark.parametrize("kind", AT_TARGET)
def test_it_is_fooled_as_seldom_as_promised_however_often_one_looks(kind):
    values, chances = AT_TARGET[kind]
    rng = np.random.default_rng(list(AT_TARGET).index(kind))
    paths = log_evidence(Bounded(rng.choice(values, size=(DRAWS, ROWS), p=chances), -1.0, 1.0))
    most = paths.max(axis=-1)
    for level in LEVELS:
        fooled = np.count_nonzero(most >= math.log(1.0 / level))
        assert fooled <= most_misses(DRAWS, len(AT_TARGET) * len(LEVELS), level)


def test_a_mean_below_the_hypothesis_is_found():
    rng = np.random.default_rng(9)
    z = rng.choice([-1.0, 1.0], size=(200, 400), p=[0.7, 0.3])
    found = log_evidence(Bounded(z, -1.0, 1.0)).max(axis=-1) >= math.log(20)
    assert found.mean() > 0.95
