"""The streaming bench on a small world: figures that must hold of every mode, and the checks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made

from routenlp.backends.generations import write_generations
from routenlp.bench.frame import all_hold
from routenlp.bench.streaming import recordings
from routenlp.bench.streaming.report import as_json, tables, words
from routenlp.bench.streaming.run import Source, checks, run_source
from routenlp.bench.streaming.worlds import Spec, world
from routenlp.errors import CorruptData, MissingData
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


def written(folder, rows, *, taught=(), manifest=None):
    every = [made.said(i, [0.9, 0.8], ["ab ", "ab"]) for i in range(rows)]
    for tier in (recordings.CHEAP, recordings.TOP):
        write_generations(folder / "cs_response" / f"{tier}.jsonl.gz", every)
    (folder / "cs_response" / "taught.json").write_text(json.dumps({"generator": list(taught), "reranker": []}))
    speed = {"fixed_s": 0.1, "read_s": 0.01, "written_s": 0.02}
    (folder / "manifest.json").write_text(json.dumps({"latency": speed} if manifest is None else manifest))


def test_recordings_become_graded_streams_without_rows_that_the_top_tier_learned(tmp_path):
    written(tmp_path, 40, taught=("q1", "q2"))
    assert recordings.recorded_tasks(tmp_path) == ("cs_response",)
    folds = split("cs_response", examples(30), [])
    train, pool, units = recordings.sources(recordings.read_task(tmp_path, "cs_response"), folds, seed=0)
    assert train.n + pool.n == 28
    assert units == len({e.group for e in folds.calibrate.examples if e.query.id not in ("q1", "q2")})
    assert np.array_equal(pool.quality, np.ones(pool.n))
    assert pool.prefill_s == pytest.approx(0.1 + 10 / 100.0)
    assert pool.score == pytest.approx(0.15, abs=1e-4)


def test_what_is_missing_or_broken_is_named(tmp_path):
    assert recordings.recorded_tasks(tmp_path) == ()
    with pytest.raises(MissingData):
        recordings.read_task(tmp_path, "cs_response")
    written(tmp_path, 2, manifest={"latency": {"fixed_s": 1.0}})
    with pytest.raises(CorruptData, match=r"manifest\.json"):
        recordings.read_task(tmp_path, "cs_response")
