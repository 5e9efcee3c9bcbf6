"""Folds: every row in exactly one, no group cut, shares as stated, straddling groups refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import FoldOverlap
from routenlp.replay.folds import fraction, split
from routenlp.types import Example, Query


def row(i: int, group: str) -> Example:
    return Example(Query(f"id{i}", "t", "text"), "a", group)


@given(st.lists(st.text(max_size=4), max_size=60))
def test_every_row_is_in_one_fold_and_no_group_is_cut(groups):
    rows = [row(i, g) for i, g in enumerate(groups)]
    folds = split("t", rows, [])
    parts = [folds.train, folds.calibrate, folds.gate, folds.test]
    assert sorted(e.query.id for f in parts for e in f.examples) == sorted(e.query.id for e in rows)
    owner = {e.group: {id(f) for f in parts if e in f.examples} for e in rows}
    assert all(len(owners) == 1 for owners in owner.values())


def test_shares_are_65_22_13():
    folds = split("t", [row(i, str(i)) for i in range(20_000)], [])
    shares = [len(f.examples) / 20_000 for f in (folds.train, folds.calibrate, folds.gate)]
    assert shares == pytest.approx([0.65, 0.22, 0.13], abs=0.012)


def test_a_group_on_both_sides_of_the_supplied_split_is_refused():
    with pytest.raises(FoldOverlap, match=r"task 't'.*group 'g'"):
        split("t", [row(0, "g")], [row(1, "g")])


def test_an_id_on_both_sides_is_refused():
    with pytest.raises(FoldOverlap, match="query id 'id0'"):
        split("t", [row(0, "g")], [row(0, "h")])


def test_the_fraction_is_fixed_for_ever():
    assert fraction("cs_intent", "banking77/train-0") == pytest.approx(0.7680198219172544)
