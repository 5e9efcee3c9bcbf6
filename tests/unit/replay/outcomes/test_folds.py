"""Folds of recorded outcomes: shares as stated, no group cut, every repeat another split."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.replay.outcomes.made import columns, rows

from routenlp.errors import DataError, FoldOverlap
from routenlp.replay.outcomes.folds import NAMES, fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes


def table(n, **given):
    recorded = [
        one | {name: value(int(one["query_id"][1:])) for name, value in given.items()} for one in rows(n, "a", "b")
    ]
    return read_outcomes(columns(recorded), split_column="split" if "split" in given else None)


def shares(table, folds):
    return [getattr(folds, name).size / table.n for name in NAMES]


def test_every_query_is_in_one_fold_and_the_shares_are_60_20_10_10():
    outcomes = table(6_000)
    folds = fold_outcomes(outcomes)
    assert sorted(np.concatenate([getattr(folds, name) for name in NAMES])) == list(range(6_000))
    assert shares(outcomes, folds) == pytest.approx([0.6, 0.2, 0.1, 0.1], abs=0.02)


def test_beside_a_supplied_split_the_rest_goes_65_22_13():
    outcomes = table(6_000, split=lambda i: "test" if i % 4 == 0 else "train")
    folds = fold_outcomes(outcomes, repeat=3)
    assert outcomes.held_out is not None
    assert folds.test.tolist() == np.flatnonzero(outcomes.held_out).tolist()
    assert shares(outcomes, folds) == pytest.approx([0.75 * 0.65, 0.75 * 0.22, 0.75 * 0.13, 0.25], abs=0.02)


def test_no_group_is_cut_even_across_tasks():
    outcomes = table(600, group=lambda i: f"g{i % 60}", task=lambda i: f"t{i % 7}")
    folds = fold_outcomes(outcomes)
    of_fold = [{outcomes.groups[i] for i in getattr(folds, name)} for name in NAMES]
    assert sum(map(len, of_fold)) == 60


def test_phrasings_are_never_apart():
    recorded = [
        one | {"query_id": f"arc-{word}-{one['query_id']}"}
        for one in rows(200, "a", "b")
        for word in ("first", "second")
    ]
    outcomes = read_outcomes(columns(recorded))
    folds = fold_outcomes(outcomes)
    sides = [{outcomes.ids[i].rsplit("-", 1)[1] for i in getattr(folds, name)} for name in NAMES]
    assert sum(map(len, sides)) == 200


def test_a_repeat_or_a_seed_is_another_split_and_the_same_one_is_the_same():
    outcomes = table(500)
    train = [fold_outcomes(outcomes, seed=s, repeat=r).train.tolist() for s, r in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert train[0] == train[1]
    assert train[0] != train[2]
    assert train[0] != train[3]


def test_a_group_on_both_sides_of_the_supplied_split_is_refused():
    outcomes = table(100, group=lambda i: f"g{i % 10}", split=lambda i: "test" if i < 15 else "train")
    with pytest.raises(FoldOverlap, match="group 'g0' has queries in the test split and outside"):
        fold_outcomes(outcomes)


def test_too_few_queries_for_four_folds_is_said():
    with pytest.raises(DataError, match=r"no query falls into the .* fold: there are 2 in 2 groups"):
        fold_outcomes(table(2))
