"""No row is both counted and learned from, and none of either was seen before the pilot."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.bench.pilot.small import example, folds

from routenlp.bench.pilot.pools import divide
from routenlp.replay.folds import row_hash
from routenlp.types import TestFold


def test_every_row_is_in_one_part_at_most():
    before = folds()
    smaller, pool = divide(before)
    parts = [
        {row_hash(e) for e in part}
        for part in (smaller.train.examples, pool.counted, pool.lessons, before.calibrate.examples)
    ]
    assert all(not a & b for i, a in enumerate(parts) for b in parts[i + 1 :])


def test_no_group_is_cut():
    smaller, pool = divide(folds())
    groups = [{e.group for e in part} for part in (smaller.train.examples, pool.counted, pool.lessons)]
    assert all(not a & b for i, a in enumerate(groups) for b in groups[i + 1 :])


def test_the_test_fold_is_counted_and_the_training_fold_is_cut_by_its_shares():
    before = folds()
    smaller, pool = divide(before)
    assert {e.query.id for e in before.test.examples} <= {e.query.id for e in pool.counted}
    assert len(smaller.train.examples) / 400 == pytest.approx(0.6, abs=0.08)


def test_a_counted_row_whose_text_was_calibrated_on_is_left_out():
    before = folds()
    twin = replace(example("calibrate", 3), group="another")
    twin = replace(twin, query=replace(twin.query, id="twin"))
    _, pool = divide(replace(before, test=TestFold("generated_intent", (*before.test.examples, twin))))
    assert "twin" not in {e.query.id for e in pool.counted}


def test_a_row_that_resembles_a_counted_one_is_no_lesson():
    before = folds()
    _, pool = divide(before)
    taught = pool.lessons[0]
    twin = replace(taught, group="another", query=replace(taught.query, id="twin"))
    _, other = divide(replace(before, test=TestFold("generated_intent", (*before.test.examples, twin))))
    assert other.barred == 1
    assert taught.query.id not in {e.query.id for e in other.lessons}


def test_a_row_that_a_recorded_tier_has_no_answer_to_is_fitted_on_alone():
    before = folds()
    gone = {e.query.id for f in (before.train, before.calibrate, before.gate, before.test) for e in f.examples[:10]}
    smaller, pool = divide(before, lambda query: query.id not in gone)
    parts = (pool.counted, pool.lessons, smaller.calibrate.examples, smaller.gate.examples)
    assert all(e.query.id not in gone for part in parts for e in part)
    assert any(e.query.id in gone for e in smaller.train.examples)
    assert smaller.train == divide(before)[0].train
