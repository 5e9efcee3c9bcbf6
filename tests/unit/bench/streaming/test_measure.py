"""The streaming bench on a small world: figures that must hold of every mode, and the checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made

from routenlp.backends.recorded_generations import Speed
from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.frame import all_hold
from routenlp.bench.streaming import recordings
from routenlp.bench.streaming.report import as_json, tables, words
from routenlp.bench.streaming.run import Source, checks, run_source
from routenlp.bench.streaming.worlds import Spec, world
from routenlp.replay.folds import split
from routenlp.types import Example, Query


@pytest.fixture(scope="module")
def found():
    train, pool = world(Spec("small"), seed=1, population=2_000, training=800)
    return run_source(Source("small", train, pool, 400, simulated=True), draws=40)


def test_every_mode_is_measured_beside_the_buffered_one(found):
    first, *others = found.rows
    assert first.mode == "buffered"
    assert (first.extra_cost, first.first_token_ratio, first.committed) == (0.0, 1.0, 0.0)
    assert len({row.mode for row in found.rows}) == len(found.rows) == 8
    assert all(row.first_token_s < first.first_token_s for row in others if row.mode.startswith("commit"))
    assert found.chosen in {row.mode for row in others}


def test_an_earlier_commit_point_is_faster(found):
    by_point = [found.row(f"commit at {n} tokens").first_token_s for n in (8, 16, 32)]
    assert by_point == sorted(by_point)


def test_checks_name_source_mode_and_target(found):
    named = [str(check["name"]) for check in checks([found])]
    assert named[0].startswith("small, quality ratio 0.97: calibrations over target")
    assert named[1:] == [
        f"small, quality ratio 0.97, {found.chosen}: time to first token over buffered",
        f"small, quality ratio 0.97, {found.chosen}: extra cost",
    ]
    assert isinstance(all_hold(checks([found])), bool)


def test_tables_and_json_hold_every_mode(found):
    (table,) = tables([found])
    assert len(table.rows) == len(as_json([found])) == len(found.rows)
    assert sum(row["chosen"] for row in as_json([found])) == 1
    assert words([found])


def examples(n):
    return [Example(Query(f"q{i}", "cs_response", f"text {i}"), "ab ab", f"g{i // 2}") for i in range(n)]


START = frozenset(f"q{i}" for i in range(20))
"""Training rows that each tier's own model answered."""


def recorded(*ids):
    """Both tiers, of these queries."""
    said = {f"q{i}": made.said(i, [0.9, 0.8], ["ab ", "ab"]) for i in ids}
    tiers = {tier: {"cs_response": said} for tier in (recordings.CHEAP, recordings.TOP)}
    return Recordings(Path("x"), tiers, Speed(0.1, 0.01, 0.02), {}, {"cs_response": START})


def test_recordings_become_graded_streams_of_the_rows_that_both_tiers_have():
    gone = ("q1", "q2")
    folds = split("cs_response", examples(30), [])
    train, pool, units = recordings.sources(recorded(0, *range(3, 40)), folds, seed=0)
    fixing = [e for e in folds.train.examples if e.query.id in START] + [*folds.gate.examples]
    assert train.n == sum(e.query.id not in gone for e in fixing)
    assert pool.n == sum(e.query.id not in gone for e in (*folds.calibrate.examples, *folds.test.examples))
    assert units == len({e.group for e in folds.calibrate.examples if e.query.id not in gone})
    assert np.array_equal(pool.quality, np.ones(pool.n))
    assert pool.prefill_s == pytest.approx(0.1 + 10 / 100.0)
    assert pool.score == pytest.approx(0.15, abs=1e-4)


def test_an_endpoints_speed_stands_beside_the_measured_one_where_there_is_one():
    timed = recorded(0)
    assert list(recordings.at_speeds(timed)) == ["as measured", "at an endpoint's speed"]
    assert list(recordings.at_speeds(replace(timed, speed=None))) == ["at an endpoint's speed"]
