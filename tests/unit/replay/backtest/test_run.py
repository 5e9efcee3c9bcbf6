from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, changed, only, recording

import routenlp
from routenlp.errors import DataError, FoldOverlap, SettingsError
from routenlp.replay.backtest.result import Backtest
from routenlp.replay.backtest.split import refuse_trained, some_groups
from routenlp.replay.outcomes.reading import read_outcomes

pytestmark = pytest.mark.slow
RECORDING = recording(400)
TOLD: list[tuple[int, int]] = []


@pytest.fixture(scope="module")
def found() -> Backtest:
    return routenlp.backtest(
        RECORDING, repeats=2, tiers=MODELS, progress=lambda done, total: TOLD.append((done, total))
    )


def test_routing_saves_where_text_and_confidence_tell_who_is_right(found):
    tuned = found.system("routenlp uncertified")
    assert tuned.cost_ratio.estimate < 0.8
    assert tuned.cost_ratio.estimate < found.system("random_mix").cost_ratio.estimate


def test_our_three_operating_points_come_first(found):
    assert [s.name for s in found.systems[:3]] == ["routenlp", "routenlp asymptotic", "routenlp uncertified"]


def test_every_query_is_in_one_fold(found):
    assert sum(found.recording.folds.values()) == found.recording.queries == 400


def test_always_top_costs_one_and_keeps_one(found):
    top = found.system("always:large")
    assert (top.cost_ratio.estimate, top.quality_ratio.estimate) == (1.0, 1.0)
    assert top.share_of_repeats_missing_target == 0.0


def test_a_bolder_proof_costs_no_more(found):
    certified, asymptotic = found.system("routenlp"), found.system("routenlp asymptotic")
    assert asymptotic.cost_ratio.estimate <= certified.cost_ratio.estimate + 0.1


def test_every_documented_system_is_there(found):
    named = {s.name.split(":")[0] for s in found.systems}
    assert named >= {
        "routenlp",
        "always",
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


def test_all_four_rules_are_reported_side_by_side(found):
    assert set(found.as_json()["guarantees"]) == {"paper", "joint", "conditional", "quality_ratio"}


def test_every_task_has_its_own_certificate(found):
    assert set(found.tasks) == {"ask", "tell"}
    assert sum(task.rows for task in found.tasks.values()) == found.recording.folds["calibrate"]


def test_a_pandas_frame_says_the_same_as_a_dict_run_after_run(found):
    framed = routenlp.backtest(pd.DataFrame(RECORDING), repeats=2, tiers=MODELS)
    assert framed.as_json() | {"seconds": 0} == found.as_json() | {"seconds": 0}


def test_progress_is_told_after_each_split(found):
    assert TOLD == [(1, 2), (2, 2)]


def test_useless_cheap_models_cost_savings_and_not_the_promise():
    found = routenlp.backtest(recording(400, useless=True), repeats=1, tiers=MODELS)
    certified = found.system("routenlp")
    assert certified.cost_ratio.estimate > 0.9
    assert certified.share_missing_beyond_noise == 0.0


def test_a_constant_confidence_is_noted_and_works():
    found = routenlp.backtest(changed(RECORDING, confidence=0.7), repeats=1, tiers=MODELS)
    assert any("is the same for every query" in note for note in found.recording.notes)


def test_without_confidence_those_that_need_one_say_so():
    found = routenlp.backtest(changed(RECORDING, confidence=None), repeats=1, tiers=MODELS)
    assert "confidence" in found.system("automix").note
    assert found.system("automix").cost_ratio.estimate is None
    assert found.paper.test is None


def test_without_text_and_confidence_there_is_still_an_answer():
    bare = changed(RECORDING, confidence=None, query=None)
    assert routenlp.backtest(bare, repeats=1, tiers=MODELS).system("routenlp").cost_ratio.estimate <= 1.0


def test_too_few_queries_for_delta_say_how_many_labels_it_takes():
    found = routenlp.backtest(recording(300), repeats=1, tiers=MODELS, delta=0.001)
    assert found.status == "uncertified"
    assert found.labels_still_needed is None or found.labels_still_needed > 0
    assert "cannot pass under" in found.guarantees["quality_ratio"].verdict.reason


def test_one_model_only_leaves_nothing_to_route():
    with pytest.raises(DataError, match="at least two models"):
        routenlp.backtest(only(RECORDING, "large"), repeats=1)


def test_a_cheapest_model_that_is_the_best_leaves_nothing_to_route():
    best = [1.0 if model == "small" else 0.5 for model in RECORDING["model"]]
    with pytest.raises(DataError, match="nothing to route"):
        routenlp.backtest(changed(RECORDING, quality=best), repeats=1)


def test_paper_without_any_confidence_is_refused():
    with pytest.raises(SettingsError, match="guarantee: is paper"):
        routenlp.backtest(changed(RECORDING, confidence=None), repeats=1, guarantee="paper")


def test_paper_deploys_its_own_thresholds():
    found = routenlp.backtest(RECORDING, repeats=1, tiers=MODELS, guarantee="paper")
    assert found.overall == found.paper.test
    assert found.status == found.paper.status


@pytest.mark.parametrize("guarantee", ["joint", "conditional"])
def test_the_rule_asked_for_decides(guarantee):
    found = routenlp.backtest(RECORDING, repeats=1, tiers=MODELS, guarantee=guarantee)
    assert found.overall == found.guarantees[guarantee].test
    assert {task.verdict.rule for task in found.tasks.values()} == {guarantee}


@pytest.mark.parametrize(
    ("wrong", "subject"),
    [
        ({"repeats": 0}, "repeats"),
        ({"delta": 0.0}, "delta"),
        ({"eps": 1.5}, "eps"),
        ({"alpha": -0.1}, "alpha"),
        ({"handled_at": 0.0}, "handled_at"),
        ({"calibrate_most": 0}, "calibrate_most"),
        ({"guarantee": "hope"}, "guarantee"),
        ({"tiers": ["small", "huge"]}, "tiers"),
    ],
)
def test_settings_out_of_range_are_named(wrong, subject):
    with pytest.raises(SettingsError) as caught:
        routenlp.backtest(RECORDING, **{"repeats": 1, **wrong})
    assert caught.value.subject == subject


def test_a_free_top_tier_is_refused():
    free = [
        0.0 if model == "large" else cost for model, cost in zip(RECORDING["model"], RECORDING["cost_usd"], strict=True)
    ]
    with pytest.raises(SettingsError, match="large costs nothing"):
        routenlp.backtest(changed(RECORDING, cost_usd=free), repeats=1, tiers=MODELS)


def test_a_worthless_top_tier_is_refused():
    with pytest.raises(DataError, match="quality 0 on all"):
        routenlp.backtest(changed(RECORDING, quality=0.0), repeats=1, tiers=MODELS)


def test_a_task_of_one_query_does_no_harm():
    tasks = ["rare" if name == "q3" else "ask" for name in RECORDING["query_id"]]
    assert routenlp.backtest(changed(RECORDING, task=tasks), repeats=1, tiers=MODELS).tasks["ask"].rows > 50


def test_groups_are_the_units_of_the_certificate():
    found = routenlp.backtest(recording(400, groups=100), repeats=1, tiers=MODELS)
    verdict = found.guarantees["quality_ratio"].verdict
    assert verdict.groups < verdict.n


def test_fewer_calibration_queries_can_be_asked_for():
    found = routenlp.backtest(RECORDING, repeats=1, tiers=MODELS, calibrate_most=30)
    assert found.recording.folds["calibrate"] == 30


def test_fewer_calibration_queries_are_whole_groups():
    table = read_outcomes(recording(200, groups=50))
    at = np.arange(table.n)
    taken = some_groups(table, at, 90, seed=0)
    groups = {table.groups[i] for i in taken}
    assert len(taken) == 88
    assert len(taken) == sum(group in groups for group in table.groups)


def test_dominated_models_are_named():
    columns = recording(300)
    worse = [0.0 if model == "mid" else q for model, q in zip(columns["model"], columns["quality"], strict=True)]
    found = routenlp.backtest(changed(columns, quality=worse), repeats=1)
    assert "mid" not in found.recording.tiers
    assert any(d.what == "model mid" and "is at least as good" in d.why for d in found.recording.dropped)


def test_a_calibration_row_that_training_saw_is_refused_by_its_hash():
    table = read_outcomes(recording(20))
    refuse_trained(table, np.arange(10), np.arange(10, 20))
    with pytest.raises(FoldOverlap, match="was trained on"):
        refuse_trained(table, np.arange(10), np.arange(9, 20))


def test_the_hash_is_of_task_and_id_not_of_the_position():
    table = read_outcomes(recording(20))
    twice = replace(table, ids=(*table.ids[:10], *table.ids[:10]), tasks=("ask",) * 20)
    with pytest.raises(FoldOverlap, match="was trained on"):
        refuse_trained(twice, np.arange(10), np.arange(10, 20))


def test_a_summary_is_plain_words(found):
    assert "of always-large" in found.summary() or "always-large could be proved" in found.summary()
    assert "| routenlp |" in found._repr_markdown_()
