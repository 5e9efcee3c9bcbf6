"""Where the walk of `quality_ratio` begins."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.first_testable import first_testable
from routenlp.conformal.groups import group_units, row_units
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.errors import SettingsError

N = 2_000


def better_and_better(gain: float, policies: int = 10):
    """A top tier that is right half of the time, and policies that repair rising shares of what it gets wrong."""
    rng = np.random.default_rng(0)
    top = (rng.random(N) < 0.5).astype(float)
    luck = rng.random(N)
    shares = gain * np.arange(1, policies + 1) / policies
    return np.where(luck < shares[:, None], 1.0, top), top


def begin(routed, top, tested, **changed):
    asked = {"eps": 0.03, "delta": 0.1, "units": row_units(len(top), seed=0), "tested_units": tested} | changed
    return first_testable(routed, top, **asked)


def test_with_labels_enough_it_is_the_first_policy():
    assert begin(*better_and_better(0.5), 1_000) == 1


def test_with_too_few_labels_for_the_first_it_is_a_bolder_one_that_passes():
    routed, top = better_and_better(0.5)
    start = begin(routed, top, 60)
    assert start > 1
    some = np.random.default_rng(1).permutation(N)[:60]
    tested = {"eps": 0.03, "delta": 0.1, "units": row_units(60, seed=0)}
    assert quality_ratio(routed[:, some], top[some], **tested).selected == 0
    assert quality_ratio(routed[:, some], top[some], start=start, **tested).selected >= start


def test_it_does_not_begin_where_quality_is_lost():
    _, top = better_and_better(0.5)
    worse = np.vstack([top, np.where(np.arange(N) % 2, top, 0.0)])
    assert begin(worse, top, 100) == 1
    assert begin(worse[1:], top, 100) == 1


@pytest.mark.parametrize("nothing", [np.zeros((0, N)), np.zeros((3, 0))])
def test_with_nothing_to_go_by_it_is_the_first(nothing):
    assert begin(nothing, np.zeros(nothing.shape[1]), 100) == 1


def test_without_rows_to_test_it_is_the_first():
    assert begin(*better_and_better(0.5), 0) == 1


def test_rows_that_come_in_groups_count_as_groups():
    """Ten copies of each row in groups of ten say no more than the rows did."""
    routed, top = better_and_better(0.5)
    copies = np.repeat(np.arange(N), 10)
    grouped = group_units([str(i) for i in copies], seed=0, rows_a_group=10)
    assert begin(routed[:, copies], top[copies], 100, units=grouped) == begin(routed, top, 100)


def test_a_level_outside_0_and_1_is_refused():
    with pytest.raises(SettingsError, match="eps"):
        begin(*better_and_better(0.5), 100, eps=0.0)
