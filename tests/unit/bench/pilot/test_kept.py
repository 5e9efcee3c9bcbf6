"""The first system's figures on disk."""

from __future__ import annotations

import msgspec
import numpy as np
from tests.unit.bench.pilot.made import settings
from tests.unit.bench.pilot.small import folds

from routenlp.backends.recorded import RecordedBackend
from routenlp.bench.pilot.kept import FirstRows, Kept, first_rows, key_of, load, save
from routenlp.bench.six_tasks.workload import Workload
from routenlp.conformal.paper import paper_threshold
from routenlp.replay.calibrate import Setting
from routenlp.replay.recorded import Recorded
from routenlp.wiring import portfolio

ROWS = FirstRows(np.array([[0.1, np.nan]]), np.array([[True, False]]), [0.05], [0.1])
NONE = np.zeros((1, 2))
ROUND = Kept({"generated_intent": ROWS}, 12.0, 10.0)


def test_what_was_kept_is_read_back(tmp_path):
    save(ROUND, tmp_path, "key")
    found = load(tmp_path, "key")
    assert found is not None
    assert (found.seconds, found.processor_s) == (12.0, 10.0)
    one = found.first["generated_intent"]
    assert np.array_equal(one.score, ROWS.score, equal_nan=True)
    assert (one.right.tolist(), list(one.tuned), list(one.published)) == ([[True, False]], [0.05], [0.1])


def test_what_was_trained_for_something_else_is_not(tmp_path):
    save(ROUND, tmp_path, "key")
    assert load(tmp_path, "another") is None


def test_a_folder_without_anything_or_with_a_damaged_file_holds_nothing(tmp_path):
    assert load(tmp_path, "key") is None
    save(ROUND, tmp_path, "key")
    (tmp_path / "first.npz").write_bytes(b"no archive")
    assert load(tmp_path, "key") is None


def test_other_rows_and_other_settings_are_something_else():
    workload = Workload({"generated_intent": folds()}, "made", generated=True, sampled=False)
    before = key_of(settings(), workload, {})
    assert key_of(msgspec.structs.replace(settings(), seed=7), workload, {}) != before
    assert key_of(settings(), Workload({}, "made", generated=True, sampled=False), {}) != before
    recorded = RecordedBackend(portfolio(settings()).tiers[-1], {"calibrate-3": "another top tier"})
    assert key_of(settings(), workload, {("top", "generated_intent"): recorded}) != before
    assert key_of(settings(), workload, {}) == before


def test_a_tier_that_may_not_answer_a_task_accepts_nothing_of_it():
    recorded = Recorded(
        "t", ("a", "c"), 1.0, ("q",), ("q",), (), np.array([[1.0, 1.0]]), np.array([[0.2, np.nan]]), NONE, NONE
    )
    setting = Setting(0.5, (paper_threshold(np.array([0.2]), np.array([True]), 0.5),), 1.0, 1.0)
    found = first_rows(("a", "b", "c"), recorded, setting, setting)
    assert np.array_equal(found.score, [[0.2, np.nan, np.nan]], equal_nan=True)
    assert (found.right.tolist(), list(found.tuned)) == ([[True, False, True]], [0.5, 1.0])
