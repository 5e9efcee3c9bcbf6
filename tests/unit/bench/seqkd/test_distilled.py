"""The distilled tier with a small real model: no answer is of a model that learned from its row, and it is recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.bench.record.rows import row

from routenlp.backends.generations import read_generations
from routenlp.bench.record.asked import DISTILLED, SMOLLM2
from routenlp.bench.record.plan import PLANS
from routenlp.bench.record.report import tables
from routenlp.bench.record.roles import Role
from routenlp.bench.seqkd.distilled import answer_all, parts, record
from routenlp.bench.seqkd.lessons import Scene
from routenlp.store.sealed import check

PLAN = replace(PLANS["cs_response"].quick(), most_tokens=8)
TOPICS = ("card", "refund", "limit", "parcel")


def scene(count=60):
    """Every other row of the pool is a failure; the teacher is right everywhere."""
    folds = ("train", "train", "train", "train", "calibrate", "test")
    rows = [
        row(
            f"q{i}",
            fold=folds[i % 6],
            role=Role.RERANKER if i % 6 == 0 else Role.NONE,
            start=i % 6 == 0,
            text=f"number {i * i} on my {TOPICS[i % 4]} of week {i}",
        )
        for i in range(count)
    ]
    vectors = np.eye(8, dtype=np.float32)[[i % 4 for i in range(count)]]
    vectors = vectors + np.random.default_rng(0).normal(0.0, 0.05, vectors.shape).astype(np.float32)
    quality = np.array([0.1 if i % 2 else 0.5 for i in range(count)])
    return Scene("cs_response", 0.2, rows, quality, np.full(count, 0.9), vectors)


def said(of):
    return {one.id: f"it leaves at {one.id}" for one in of.rows}


def test_each_row_is_asked_once_of_a_model_that_did_not_learn_it():
    made = scene()
    of_task = parts(made, said(made), PLAN)
    assert sorted(one.id for part in of_task for one in part.asked) == sorted(one.id for one in made.rows)
    for part in of_task:
        assert not {one.group for one, _ in part.lessons} & {one.group for one in part.asked}
    whole, first, second = of_task
    assert {one.id for one, _ in whole.lessons} == {one.id for one, _ in [*first.lessons, *second.lessons]}
    taught = {one.id for one, _ in whole.lessons}
    failures = {one.id for one, q in zip(made.rows, made.quality, strict=True) if q < 0.2}
    assert taught <= failures
    assert all(one.fold == "train" and not one.start for one, _ in whole.lessons)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_they_say_is_recorded_beside_the_other_tiers(small_model, tmp_path):
    made, into = scene(24), tmp_path / "out"
    into.mkdir()
    (into / "taught.json").write_text(json.dumps({"generator": [], "reranker": []}))
    of_task = parts(made, said(made), PLAN)
    answered = answer_all(of_task, small_model, tmp_path / "work", at_once=1)
    about = record(into, made, of_task, answered)
    generations = list(read_generations(into / f"{DISTILLED}.jsonl.gz"))
    assert [g.id for g in generations] == [one.id for one in made.rows]
    assert set(about["rouge_l"]) == {"train", "reranker", "calibrate", "test"}
    learned = json.loads((into / "taught.json").read_text())
    assert learned["lessons"] == sorted(one.id for one, _ in of_task[0].lessons)
    assert learned["generator"] == []
    for part in of_task:
        folder = tmp_path / "work" / "models" / about[DISTILLED][part.name]["adapter"]
        assert check(folder)["tier"] == SMOLLM2
        assert about[DISTILLED][part.name]["lessons"] == len(part.lessons)
    again = answer_all(of_task, small_model, tmp_path / "work", at_once=1)
    assert [part.candidates for part in again] == [part.candidates for part in answered]


def test_a_page_shows_a_dash_where_the_tier_was_not_recorded():
    (table,) = tables(
        {
            "tasks": {
                "cs_response": {
                    "rouge_l": {
                        "test": dict.fromkeys(("rows", "smollm2", "likeliest", "agreed", "tuned", "best there was"), 1)
                    }
                }
            }
        }
    )
    assert table.rows[0][3] == "–"
