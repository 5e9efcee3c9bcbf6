"""The recordings in this repository: whole, the same rows for all tiers, none that its model learned from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from routenlp.backends.generations import read_generations
from routenlp.bench.pilot.pools import divide
from routenlp.bench.record.asked import DISTILLED, SMOLLM2, TUNED
from routenlp.bench.record.manifest import check_recordings
from routenlp.bench.record.plan import TASKS
from routenlp.bench.record.roles import Role, by_fold, role
from routenlp.bench.six_tasks import workload
from routenlp.cli.six_tasks import built_in_settings
from routenlp.grading.rouge import rouge_l

FOLDER = Path(__file__).parents[2] / "recordings"


def ids(task, tier):
    return [generation.id for generation in read_generations(FOLDER / task / f"{tier}.jsonl.gz")]


def test_every_file_is_what_the_manifest_says_and_all_are_small():
    check_recordings(FOLDER)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 20e6


@pytest.mark.parametrize("task", TASKS)
def test_all_tiers_answered_the_same_rows_and_none_that_was_learned_from(task):
    prompted, distilled, tuned = (ids(task, tier) for tier in (SMOLLM2, DISTILLED, TUNED))
    taught = json.loads((FOLDER / task / "taught.json").read_bytes())
    assert prompted == distilled == tuned
    assert len(set(tuned)) == len(tuned)
    assert not set(tuned) & set(taught["generator"])
    assert set(taught["reranker"]) < set(tuned)
    assert set(taught["lessons"]) < set(tuned) - set(taught["examples"])


@pytest.mark.data
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.usefixtures("six_tasks_dir")
def test_rows_have_the_roles_that_the_rule_gives_and_qualities_are_as_stated(task):
    settings = built_in_settings(None, os.environ)
    folds = workload.load(settings, os.environ.get("ROUTENLP_DATA"), quick=False, only=[task]).folds[task]
    taught = json.loads((FOLDER / task / "taught.json").read_bytes())
    start = {e.query.id for e in divide(folds)[0].train.examples}
    rows = {e.query.id: (fold, e) for fold, part in by_fold(folds).items() for e in part}
    for kind in (Role.GENERATOR, Role.RERANKER):
        assert set(taught[kind]) == {name for name, (fold, e) in rows.items() if role(fold, e) is kind}
        assert set(taught[kind]) <= start
    assert set(taught["examples"]) == start
    assert all(rows[name][0] == "train" for name in taught["lessons"])
    assert set(ids(task, TUNED)) == set(rows) - set(taught["generator"])
    stated = check_recordings(FOLDER)["tasks"][task]["rouge_l"]["calibrate"]
    for tier in (DISTILLED, TUNED):
        said = [g for g in read_generations(FOLDER / task / f"{tier}.jsonl.gz") if rows[g.id][0] == "calibrate"]
        quality = sum(rouge_l(g.answer, rows[g.id][1].reference) for g in said) / len(said)
        assert quality == pytest.approx(stated[tier], abs=1e-4)
