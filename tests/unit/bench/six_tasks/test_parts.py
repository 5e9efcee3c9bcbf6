"""Tasks that language models were recorded on run on the recorded portfolio; the others under the human labels."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from routenlp.backends.generations import Generation
from routenlp.backends.recorded_generations import Speed
from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.six_tasks.parts import BEFORE, EVERY, GENERATION, STRUCTURED, divide, whole
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import BackendError
from routenlp.replay.folds import split
from routenlp.settings import Settings, load
from routenlp.types import Example, Query

TIERS, BEFORE_TIERS = ("distilled", "tuned"), ("smollm2", "tuned")


def settings(name: str) -> Settings:
    text = resources.files("routenlp.bench.six_tasks").joinpath(name).read_text(encoding="utf-8")
    return load(None, {}, default=text)


def rows(task: str) -> Workload:
    examples = [Example(Query(f"{task}-{i}", task, f"text {i}"), f"answer {i}", f"{task}-{i}") for i in range(200)]
    return Workload({task: split(task, examples[:160], examples[160:])}, "made here", False, False)


@pytest.fixture
def workload() -> Workload:
    replies, intents = rows("cs_response"), rows("cs_intent")
    return Workload({**replies.folds, **intents.folds}, "made here", False, False)


def recorded(workload: Workload, *, without: str = "") -> Recordings:
    """Every row of cs_response but one."""
    folds = workload.folds["cs_response"]
    every = [e for f in (folds.train, folds.calibrate, folds.gate, folds.test) for e in f.examples]
    said = {e.query.id: Generation(e.query.id, "so", (0.5,), (2,), 10, 2, "stop") for e in every}
    said.pop(without, None)
    tiers = {*TIERS, *BEFORE_TIERS}
    return Recordings(Path("x"), {tier: {"cs_response": said} for tier in tiers}, Speed(0.1, 0.01, 0.05), {}, {})


def test_without_recordings_all_tasks_share_the_human_labels(workload: Workload) -> None:
    (part,) = divide(settings("settings.yaml"), settings("generation.yaml"), workload, None)
    assert (part.name, list(part.replayed)) == (EVERY, ["human-labels"])
    assert part.workload == whole(settings("settings.yaml"), workload).workload


def test_a_recorded_task_runs_on_the_recorded_portfolio(workload: Workload) -> None:
    structured, before, generation = divide(
        settings("settings.yaml"), settings("generation.yaml"), workload, recorded(workload)
    )
    assert (structured.name, list(structured.workload.folds)) == (STRUCTURED, ["cs_intent"])
    assert (generation.name, list(generation.workload.folds)) == (GENERATION, ["cs_response"])
    assert list(generation.replayed) == list(TIERS)
    assert (before.name, list(before.replayed)) == (BEFORE, list(BEFORE_TIERS))
    assert before.workload.folds == generation.workload.folds


def test_a_row_that_was_not_recorded_is_learned_from_and_neither_proves_nor_tests(workload: Workload) -> None:
    gone = workload.folds["cs_response"].calibrate.examples[0].query.id
    *_, part = divide(
        settings("settings.yaml"), settings("generation.yaml"), workload, recorded(workload, without=gone)
    )
    before, after = workload.folds["cs_response"], part.workload.folds["cs_response"]
    assert part.left_out == {"cs_response": 1}
    assert len(after.calibrate.examples) == len(before.calibrate.examples) - 1
    assert after.train == before.train


def test_the_asked_model_takes_what_its_tokens_take_and_the_top_tier_what_its_model_says(workload: Workload) -> None:
    *_, part = divide(settings("settings.yaml"), settings("generation.yaml"), workload, recorded(workload))
    query = part.workload.folds["cs_response"].test.examples[0].query
    small, top = (part.replayed[tier].answer(query) for tier in TIERS)
    assert small.latency_s == pytest.approx(0.1 + 10 * 0.01 + 2 * 0.05)
    assert top.latency_s > 0.2
    assert top.cost_usd == pytest.approx(10 * small.cost_usd)
    with pytest.raises(BackendError, match="bench record"):
        part.replayed["tuned"].answer(Query("unknown", "cs_response", "text"))
