"""Units: rows, or groups of rows as bounded sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.groups import group_units, row_units, rows_to_take
from routenlp.errors import DataError


def test_rows_are_their_own_units():
    units = row_units(5, seed=0)
    assert (units.count, units.grouped, units.largest) == (5, False, 1)
    assert units.sums([[1, 2, 3, 4, 5]]).tolist() == [[1, 2, 3, 4, 5]]
    assert sorted(units.order) == [0, 1, 2, 3, 4]


def test_a_group_is_the_sum_of_its_rows():
    units = group_units(["b", "a", "b", "c", "b"], seed=0)
    assert sorted(units.sums([1.0, 10.0, 2.0, 100.0, 4.0]).tolist()) == [7.0, 10.0, 100.0]
    assert units.grouped


def test_bounds_follow_from_the_cap_and_not_from_what_was_seen():
    sample = group_units(["a", "a", "b"], seed=0).bounded([0.5, 0.5, -1.0], -1.0, 1.0)
    assert (sample.low, sample.high) == (-20.0, 20.0)


def test_at_most_so_many_rows_of_a_group_are_drawn():
    groups = ["big"] * 100 + ["small"] * 3
    units = group_units(groups, seed=1)
    assert sorted(units.sums(np.ones(103)).tolist()) == [3.0, 20.0]
    assert len(set(units.rows.tolist())) == 23


def test_which_rows_are_drawn_is_chance_and_follows_from_the_seed():
    draws = [frozenset(group_units(["g"] * 100 + ["h"], seed=s).rows.tolist()) for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    often = np.mean([99 in group_units(["g"] * 100 + ["h"], seed=s).rows for s in range(400)])
    assert 0.13 < often < 0.27


def test_the_order_of_groups_does_not_know_their_size():
    groups = ["big"] * 50 + ["small"]
    first = [int(group_units(groups, seed=s).order[0]) for s in range(400)]
    assert 0.4 < np.mean(first) < 0.6


def test_groups_of_one_row_are_rows():
    assert not group_units(["a", "b", "c"], seed=0).grouped


def test_one_row_a_group_is_grouped_still():
    units = group_units(["a", "a", "b"], seed=0, rows_a_group=1)
    assert (units.grouped, units.largest, len(units.rows)) == (True, 1, 2)


def test_names_that_differ_in_a_trailing_nul_are_two_groups():
    assert group_units(["a", "a\0", "a"], seed=0).count == 2


def test_the_design_effect_of_rows_that_repeat_each_other_is_their_number():
    values = np.repeat(np.random.default_rng(0).random(400), 5)
    units = group_units(np.repeat(np.arange(400), 5).astype(str).tolist(), seed=0)
    assert units.design_effect(values) == pytest.approx(5.0, rel=0.01)
    assert units.design_effect(np.ones(2000)) is None
    assert row_units(5, seed=0).design_effect(np.arange(5.0)) is None


def test_no_row_at_all():
    assert row_units(0, seed=0).sums(np.empty((3, 0))).shape == (3, 0)
    assert group_units([], seed=0).count == 0


def test_arrays_of_another_length_are_refused():
    with pytest.raises(DataError, match="rows"):
        row_units(3, seed=0).sums([1.0, 2.0])


@pytest.mark.parametrize(
    ("sizes", "most"), [([1] * 50, 1), ([4] * 50, 4), (range(1, 13), 9), ([200] * 3, 20), ([1] * 95 + [5], 1), ([], 1)]
)
def test_the_training_fold_says_how_many_rows_to_take(sizes, most):
    groups = [str(i) for i, size in enumerate(sizes) for _ in range(size)]
    assert rows_to_take(groups) == most


def test_a_group_gives_at_least_one_row():
    with pytest.raises(DataError, match="rows_a_group"):
        group_units(["a"], seed=0, rows_a_group=0)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60), st.integers(1, 5))
def test_every_group_is_there_with_as_many_rows_as_it_may_have(groups, cap):
    units = group_units(groups, seed=3, rows_a_group=cap)
    seen = sorted(units.sums(np.ones(len(groups))).tolist())
    assert seen == sorted(float(min(cap, groups.count(name))) for name in set(groups))
    assert sorted(units.order.tolist()) == list(range(units.count))
