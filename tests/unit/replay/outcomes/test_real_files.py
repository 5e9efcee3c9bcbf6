"""The six real recordings, at their full size."""

from __future__ import annotations

import time

import numpy as np
import pytest

from routenlp.replay.outcomes.folds import NAMES, fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.tiers import efficient_tiers

pytestmark = [pytest.mark.slow, pytest.mark.data]

ROUTELLM = {"gpt-4-1106-preview": 0.0245, "mistralai/Mixtral-8x7B-Instruct-v0.1": 0.001}


@pytest.mark.parametrize(
    ("name", "queries", "models", "tasks", "kind", "arguments"),
    [
        ("routellm_gpt4_mixtral", 15_521, 2, 3, "given", {"costs": ROUTELLM}),
        ("mmlupro_cot_responses", 11_954, 13, 14, "estimated", {}),
        ("ulab_llmrouter_9", 5_989, 9, 14, "given", {"prices": "prices.yaml", "split_column": "split"}),
        ("mmlupro_calibration", 11_829, 59, 14, "estimated", {}),
        ("plaut_msp", 30_814, 12, 4, "given", {"prices": "prices.yaml"}),
        ("routerarena_2", 809, 2, 23, "recorded", {}),
    ],
)
def test_a_real_recording_has_its_shape(outcomes_dir, name, queries, models, tasks, kind, arguments):
    if "prices" in arguments:
        arguments = arguments | {"prices": outcomes_dir / arguments["prices"]}
    started_s = time.perf_counter()
    table = read_outcomes(outcomes_dir / f"{name}.parquet", **arguments)
    assert time.perf_counter() - started_s < 30.0
    assert (table.n, len(table.models), len(table.task_names)) == (queries, models, tasks)
    assert (table.cost_kind, table.texts is None) == (kind, name == "plaut_msp")
    assert np.isfinite(table.quality).all()
    assert (np.diff(table.mean_cost_usd) >= 0).all()
    folds = fold_outcomes(table)
    tiers = efficient_tiers(table.rows(folds.train))
    assert len(tiers.names) + len(tiers.dropped) == models
    assert sum(getattr(folds, fold).size for fold in NAMES) == queries


def test_thirty_queries_of_mmlu_pro_lack_a_model(outcomes_dir):
    [dropped] = read_outcomes(outcomes_dir / "mmlupro_cot_responses.parquet").dropped
    assert (dropped.what, dropped.count) == ("queries", 30)


def test_models_of_the_calibration_set_without_cost_or_confidence_are_named(outcomes_dir):
    table = read_outcomes(outcomes_dir / "mmlupro_calibration.parquet")
    assert [d.count for d in table.dropped] == [11_829] * 9
    assert all(d.what.startswith("model ") for d in table.dropped)
    assert len(table.without_confidence) == 6


def test_without_costs_the_routellm_pair_keeps_its_estimates_and_says_what_that_drops(outcomes_dir):
    table = read_outcomes(outcomes_dir / "routellm_gpt4_mixtral.parquet")
    assert (table.n, table.cost_kind, table.dropped[0].count) == (1_319, "estimated", 28_404)
    assert "--cost" in table.dropped[0].why


def test_the_two_phrasings_of_a_question_are_never_apart(outcomes_dir):
    table = read_outcomes(outcomes_dir / "plaut_msp.parquet", prices=outcomes_dir / "prices.yaml")
    assert not any("@" in id_ for id_ in table.ids)
    folds = fold_outcomes(table)
    questions = [
        {table.ids[i].replace("-first-", "-").replace("-second-", "-") for i in getattr(folds, name)} for name in NAMES
    ]
    assert sum(map(len, questions)) == 15_407


def test_the_tiers_asked_for_bring_back_the_task_that_others_lack(outcomes_dir):
    table = read_outcomes(
        outcomes_dir / "plaut_msp.parquet",
        prices=outcomes_dir / "prices.yaml",
        models=["Mistral", "Solar", "gpt-4-turbo"],
    )
    assert "mmlu" in table.task_names
    assert table.models == ("Mistral", "Solar", "gpt-4-turbo")
