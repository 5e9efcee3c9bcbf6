"""Evidence that may be looked at always: against its formula written out, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.betting import Bounded
from routenlp.conformal.sequential import STAKES, best, first_crossing, log_evidence
from routenlp.errors import DataError


def by_hand(z, low, high):
    m = -low / (high - low)
    fortunes = [1.0] * len(STAKES)
    path = []
    for value in z:
        x = (value - low) / (high - low)
        fortunes = [f * (1 - c / (1 - m) * (x - m)) for f, c in zip(fortunes, STAKES, strict=True)]
        path.append(math.log(sum(fortunes) / len(STAKES)))
    return path


@given(st.lists(st.floats(-0.3, 1.0), min_size=1, max_size=40))
def test_it_is_the_recipe(z):
    assert log_evidence(Bounded(np.array(z), -0.3, 1.0)) == pytest.approx(by_hand(z, -0.3, 1.0), abs=1e-9)


def test_a_row_of_zero_changes_nothing():
    path = log_evidence(Bounded(np.array([-0.5, 0.0, 0.0]), -1.0, 1.0))
    assert path[1] == path[2] == pytest.approx(path[0])


def test_the_worst_row_ruins_nobody_so_that_later_rows_can_still_speak():
    path = log_evidence(Bounded(np.array([1.0, *[-1.0] * 40]), -1.0, 1.0))
    assert np.isfinite(path).all()
    assert path[-1] > math.log(1000)


def test_the_first_crossing_is_a_number_of_rows():
    path = log_evidence(Bounded(np.full(20, -1.0), -1.0, 1.0))
    at = first_crossing(path, 0.05)
    assert path[at - 1] >= math.log(20) > path[at - 2]
    assert first_crossing(path[: at - 1], 0.05) is None


def test_no_row_is_no_evidence():
    assert best(log_evidence(Bounded(np.empty(0), -1.0, 1.0))) == 0.0


def test_a_row_outside_its_bounds_is_refused():
    with pytest.raises(DataError, match="outside"):
        log_evidence(Bounded(np.array([1.5]), -1.0, 1.0))
