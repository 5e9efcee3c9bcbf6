"""The command `routenlp backtest`, as people run it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.bench.conftest import REPOSITORY, Finished, routenlp
from tests.unit.replay.backtest.made_recording import changed, only, recording

from routenlp.bench.six_tasks.markdown import between_markers
from routenlp.bench.six_tasks.table import Table

pytestmark = pytest.mark.slow

KEYS = {
    "outcomes": {"queries", "models", "tasks", "dropped"},
    "target": {"guarantee", "eps", "alpha", "delta"},
    "folds": {"train", "calibrate", "gate", "test"},
    "overall": {
        "quality_ratio",
        "cost_ratio",
        "escalation_rate",
        "p_failed_given_accepted",
        "p_accepted_and_failed",
    },
    "guarantees": {"paper", "joint", "conditional", "quality_ratio"},
}
TASK = {"status", "n", "estimate", "bound", "quality_ratio", "cost_ratio", "labels_still_needed"}
SYSTEM = {"name", "quality_ratio", "cost_ratio", "aiq", "share_of_repeats_missing_target"}
SYSTEMS = {
    "routenlp",
    "random_mix",
    "paper",
    "frugalgpt",
    "hybrid_llm",
    "routellm_mf",
    "automix",
    "knn",
    "kmeans",
    "cascade_routing",
    "oracle",
}


def written(path: Path, columns: dict[str, list[Any]]) -> str:
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def backtested(path: Path, columns: dict[str, list[Any]], *options: str) -> tuple[Finished, dict[str, Any]]:
    target = path.with_suffix(".json")
    done = routenlp("backtest", written(path, columns), "--repeats", "1", "--json", str(target), *options)
    return done, json.loads(target.read_text()) if target.exists() else {}


@pytest.fixture(scope="module")
def real(outcomes_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("real")
    source, prices = outcomes_dir / "ulab_llmrouter_9.parquet", outcomes_dir / "prices.yaml"
    options = ("--prices", str(prices), "--repeats", "2", "--json", str(folder / "out.json"), "--plots", str(folder))
    done = routenlp("backtest", str(source), *options)
    assert done.code == 0, done.err
    return done, json.loads((folder / "out.json").read_text()), folder


@pytest.mark.data
def test_plain_words_come_first(real):
    assert re.match(r"You would have (paid \d+% of always-|saved nothing)", real[0].out.strip())


@pytest.mark.data
def test_json_has_the_documented_keys(real):
    found = real[1]
    assert set(found) >= {*KEYS, "tasks", "systems", "repeats", "seconds"}
    for key, inner in KEYS.items():
        assert set(found[key]) >= inner, key
    assert all(set(task) >= TASK for task in found["tasks"].values())
    assert all(set(system) >= SYSTEM for system in found["systems"])
    assert set(found["overall"]["quality_ratio"]) == {"estimate", "low", "high"}


@pytest.mark.data
def test_json_names_the_documented_systems(real):
    names = {system["name"] for system in real[1]["systems"]}
    assert names >= SYSTEMS
    assert {name for name in names if name.startswith("always:")} == {
        f"always:{tier}" for tier in real[1]["outcomes"]["tiers"]
    }


@pytest.mark.data
def test_pictures_are_drawn(real):
    assert {"quality-cost.png", "quality-cost.svg"} <= {path.name for path in real[2].iterdir()}


@pytest.mark.data
def test_models_that_are_no_tiers_are_named_with_the_reason(real):
    dropped = {entry["what"] for entry in real[1]["outcomes"]["dropped"]}
    kept = {f"model {tier}" for tier in real[1]["outcomes"]["tiers"]}
    assert dropped | kept >= {f"model {name}" for name in real[1]["outcomes"]["models"]}


def test_useless_confidence_leads_to_refusal_and_not_to_failure(tmp_path):
    options = ("--tiers", "small,mid,large", "--guarantee", "conditional")
    done, found = backtested(tmp_path / "useless.csv", recording(400, useless=True), *options)
    assert done.code == 0, done.err
    assert found["status"] == "uncertified"
    assert found["overall"]["cost_ratio"]["estimate"] == 1.0
    assert done.out.strip().startswith("You would have saved nothing")


@pytest.mark.data
def test_a_rule_that_a_real_recording_cannot_keep_is_refused(outcomes_dir):
    options = ("--cost", "mistralai/Mixtral-8x7B-Instruct-v0.1=0.001", "--cost", "gpt-4-1106-preview=0.0245")
    source = str(outcomes_dir / "routellm_gpt4_mixtral.parquet")
    done = routenlp("backtest", source, *options, "--repeats", "1", "--guarantee", "conditional", "--json", "-")
    assert done.code == 0, done.err
    assert json.loads(done.out)["status"] == "uncertified"
    assert "You would have saved nothing" in done.err


def test_json_on_standard_output_is_nothing_but_json(tmp_path):
    done = routenlp("backtest", written(tmp_path / "a.csv", recording(300)), "--repeats", "1", "--json", "-")
    assert done.code == 0, done.err
    assert set(json.loads(done.out)["folds"]) == KEYS["folds"]


def test_too_few_labels_for_delta_are_counted(tmp_path):
    done, found = backtested(tmp_path / "few.csv", recording(300), "--delta", "0.001")
    assert done.code == 0, done.err
    assert found["status"] == "uncertified"
    assert re.search(r"cannot pass under \d+ labels", found["guarantees"]["quality_ratio"]["finite_sample"]["reason"])


def test_duplicate_rows_are_dropped_and_counted(tmp_path):
    columns = recording(300)
    doubled = {name: values + values[:30] for name, values in columns.items()}
    done, found = backtested(tmp_path / "twice.csv", doubled)
    assert done.code == 0, done.err
    assert any(entry["count"] == 30 for entry in found["outcomes"]["dropped"])
    assert "30" in done.out


def test_a_constant_confidence_is_noted(tmp_path):
    done, found = backtested(tmp_path / "constant.csv", changed(recording(300), confidence=0.5))
    assert done.code == 0, done.err
    assert any("is the same for every query" in note for note in found["outcomes"]["notes"])


BAD = {
    "one model": (only(recording(60), "large"), (), "at least two models"),
    "quality over 1": (changed(recording(60), quality=1.5), (), "quality"),
    "negative cost": (changed(recording(60), cost_usd=-1.0), (), "cost_usd"),
    "no cost": (changed(recording(60), cost_usd=None), (), "--cost"),
    "no quality column": (changed(recording(60), quality=None), (), "quality"),
    "too few queries": (recording(3), (), "Record more queries"),
    "unknown tier": (recording(60), ("--tiers", "small,huge"), "huge"),
    "delta of 1": (recording(60), ("--delta", "1"), "delta"),
    "a cost that is no pair": (recording(60), ("--cost", "small"), "MODEL=USD"),
    "a split column that is not there": (recording(60), ("--split-column", "fold"), "fold"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_ends_with_code_2_and_a_line_that_says_why(what, tmp_path):
    columns, options, said = BAD[what]
    done, found = backtested(tmp_path / "bad.csv", columns, *options)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert found == {}


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = routenlp("backtest", str(tmp_path / "none.csv"))
    assert done.code == 2
    assert "none.csv" in done.err


def test_the_page_shows_the_tables_of_the_run_beside_it():
    found = json.loads((REPOSITORY / "docs" / "backtests.json").read_text())
    page = between_markers((REPOSITORY / "docs" / "backtests.md").read_text(), "backtests")
    for table in found["tables"]:
        made = Table(table["title"], tuple(table["heads"]), tuple(map(tuple, table["rows"])))
        assert made.markdown() in page, table["title"]
    assert len(found["rows"]) == 6
    for check in found["checks"]:
        assert f"{'holds' if check['holds'] else 'MISSED'}: {check['name']}" in page


@pytest.mark.data
def test_the_bench_over_recordings_ends_with_its_checks(outcomes_dir, tmp_path):
    target = tmp_path / "bench.json"
    options = ("--quick", "--only", "routerarena_2", "--json", str(target))
    done = routenlp("bench", "backtests", *options, ROUTENLP_DATA=str(outcomes_dir.parent))
    assert done.code == 1, done.err  # one recording cannot win on four
    found = json.loads(target.read_text())
    assert {"bench", "version", "seed", "machine", "seconds", "peak_rss_mb", "rows", "checks"} <= set(found)
    assert found["quick"] is True
    assert [row["recording"] for row in found["rows"]] == ["routerarena_2"]
