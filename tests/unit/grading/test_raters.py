"""Krippendorff's alpha against his own example, and against the pairs counted one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.grading.raters import alpha, coincidences

# Krippendorff (2011), section C: four observers, twelve units, five values, some missing. Nominal alpha: 0.743.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def counted(units):
    values = sorted({v for unit in units for v in unit})
    return np.array([[unit.count(v) for v in values] for unit in units], dtype=float).reshape(len(units), -1)


def of(units) -> float:
    return float(alpha(coincidences(counted(units)).sum(axis=0)))


def slowly(units) -> float:
    """Observed over expected disagreement, pair by pair."""
    kept = [unit for unit in units if len(unit) > 1]
    every = [v for unit in kept for v in unit]
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in kept) / len(every)
    expected = sum(a != b for a, b in permutations(every, 2)) / (len(every) * (len(every) - 1))
    return 1.0 - observed / expected


def test_the_published_example() -> None:
    units = [[v for v in unit if v is not None] for unit in zip(*OBSERVERS, strict=True)]
    assert of(units) == pytest.approx(0.743, abs=5e-4)


@given(st.lists(st.lists(st.sampled_from("wtl"), min_size=1, max_size=4), min_size=2, max_size=8))
def test_it_is_what_the_pairs_say(units) -> None:
    several = {v for unit in units if len(unit) > 1 for v in unit}
    if len(several) > 1:
        assert of(units) == pytest.approx(slowly(units))
    else:
        assert np.isnan(of(units))


def test_two_raters_who_always_agree_and_two_who_never_do() -> None:
    assert of([["w", "w"], ["l", "l"], ["t", "t"]]) == 1.0
    assert of([["w", "l"], ["l", "w"], ["w", "l"]]) < 0.0


def test_it_is_one_minus_the_rest_of_scotts_pi_for_two_raters() -> None:
    units = [["w", "w"]] * 20 + [["w", "l"]] * 5 + [["l", "l"]] * 10 + [["t", "l"]] * 5
    n = 2 * len(units)
    shares = counted(units).sum(axis=0) / n
    pi = (30 / 40 - (shares**2).sum()) / (1 - (shares**2).sum())
    assert of(units) == pytest.approx(1.0 - (1.0 - pi) * (n - 1) / n)
