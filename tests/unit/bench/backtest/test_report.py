from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from routenlp.bench.backtest import report
from routenlp.bench.backtest.measure import Row
from routenlp.bench.backtest.recordings import SOURCES, folder
from routenlp.errors import MissingData
from routenlp.replay.backtest.result import SystemResult
from routenlp.replay.intervals import UNKNOWN, Interval


def system(name: str, cost: float, at_target: float | None = None, missing: float = 0.0) -> SystemResult:
    reached = UNKNOWN if at_target is None else Interval(at_target, None, None)
    return SystemResult(name, Interval(0.98, None, None), Interval(cost, None, None), reached, UNKNOWN, missing, 0.0)


def row(name: str = "one", *, tuned: float = 0.3, knn: float = 0.4, missing: float = 0.0, **changes: Any) -> Row:
    systems = (
        system("routenlp", 0.45, tuned, missing),
        system("routenlp asymptotic", 0.36, tuned),
        system("routenlp uncertified", 0.3, tuned),
        system("knn", 0.41, knn),
        system("kmeans", 0.5, None),
        system("oracle", 0.1, 0.1),
    )
    made = Row(name, 12_000, 13, ("a", "b"), 1_100, True, "given", "certified", 20, systems, 900, 10.0, 100.0, 500.0)
    return replace(made, **changes)


def test_the_best_baseline_is_neither_ours_nor_the_oracle():
    best = row().best_baseline
    assert best is not None
    assert best.name == "knn"


def test_a_proof_costs_what_it_costs_over_the_tuned_point():
    assert row().over_uncertified("routenlp") == pytest.approx(1.5)
    assert row().over_uncertified("routenlp asymptotic") == pytest.approx(1.2)


def test_rows_are_as_wide_as_their_heads():
    for table in report.tables([row(), row("two")]):
        assert {len(cells) for cells in table.rows} == {len(table.heads)}


def test_wins_are_counted_on_recordings_with_text():
    rows = [row(), row(tuned=0.5), row(), row(), row(), row(has_text=False)]
    check = report.checks(rows, quick=True)[0]
    assert (check.value, check.target, check.holds) == (4.0, 4.0, True)


def test_certification_is_judged_where_there_are_enough_calibration_queries():
    small = row(calibrate=178, systems=(system("routenlp", 0.9), system("routenlp uncertified", 0.1)))
    check = report.checks([row(), small], quick=True)[1]
    assert check.value == pytest.approx(1.5)
    assert check.holds


def test_more_misses_than_chance_explains_break_the_promise():
    assert report.most_misses(20) == 6
    broken = [c for c in report.checks([row(missing=0.35)], quick=False) if not c.holds and "under target" in c.name]
    assert [c.value for c in broken] == [0.35]
    assert not [c for c in report.checks([row(missing=0.3)], quick=False) if not c.holds and "under target" in c.name]


def test_two_splits_are_too_few_for_shares():
    assert not [c for c in report.checks([row(missing=1.0)], quick=True) if "under target" in c.name]


def test_budgets_are_those_of_the_large_recording():
    slow = row(report.LARGE, first_s=70.0, seconds=500.0, peak_rss_mb=3_000.0)
    missed = [c.name for c in report.checks([slow], quick=False) if not c.holds and c.name.startswith(report.LARGE)]
    assert len(missed) == 3


def test_json_has_the_frame_of_every_bench():
    found = json.loads(json.dumps(report.as_json([row()], quick=True, seed=0, seconds=1.0), allow_nan=False))
    assert set(found) >= {"bench", "version", "seed", "machine", "seconds", "peak_rss_mb", "rows", "checks"}
    assert all(set(check) == {"name", "value", "target", "holds"} for check in found["checks"])


def test_six_recordings_are_known():
    assert len({source.name for source in SOURCES}) == 6


def test_a_folder_without_recordings_is_named(tmp_path):
    with pytest.raises(MissingData, match="outcomes"):
        folder(str(tmp_path))
