"""A recorded language model is a cheap tier of the tasks that it was recorded on, and of no other."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from tests.unit.bench.pilot.small import folds

from routenlp.backends.generations import Generation
from routenlp.bench.datasets.recordings import ENDPOINT, Recordings
from routenlp.bench.pilot.models import all_answered, recorded_tasks, texts, with_models
from routenlp.bench.six_tasks.replayed import models_beside_labels
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import BackendError
from routenlp.settings import Settings, load

WROTE, OTHER = "cs_response", "cs_intent"
ROWS = Workload({task: folds(task) for task in (WROTE, OTHER)}, "made here", False, False)
START = frozenset(f"train-{i}" for i in range(100))


def settings(name: str) -> Settings:
    text = resources.files("routenlp.bench.six_tasks").joinpath(name).read_text(encoding="utf-8")
    return load(None, {}, default=text)


def recordings() -> Recordings:
    its = ROWS.folds[WROTE]
    every = [e.query.id for f in (its.train, its.calibrate, its.gate, its.test) for e in f.examples]
    said = {
        tier: {name: Generation(name, f"{tier} of {name}", (0.5,), (2,), 400, 20, "stop") for name in every}
        for tier in ("distilled", "tuned")
    }
    return Recordings(Path("x"), {t: {WROTE: by_id} for t, by_id in said.items()}, None, {}, {WROTE: START})


@pytest.fixture(scope="module")
def mixed():
    return with_models(settings("settings.yaml"), settings("generation.yaml"), recordings(), ROWS)


def test_without_recordings_nothing_changes():
    given = settings("settings.yaml")
    found = with_models(given, settings("generation.yaml"), None, ROWS)
    assert (found.settings, found.models) == (given, {})


def test_the_model_stands_under_the_top_tier_and_other_tasks_are_walled_off_from_it(mixed):
    assert [tier.name for tier in mixed.settings.portfolio] == ["ngram", "minilm", "distilled", "human-labels"]
    assert mixed.settings.tiers_of(WROTE) == ("ngram", "minilm", "distilled", "human-labels")
    assert mixed.settings.tiers_of(OTHER) == ("ngram", "minilm", "human-labels")
    assert recorded_tasks(mixed.models) == [WROTE]


def test_an_answer_costs_the_tokens_that_were_read_and_takes_what_an_endpoint_takes(mixed):
    query = ROWS.folds[WROTE].test.examples[0].query
    cheap, top = (mixed.models[tier, WROTE].answer(query) for tier in ("distilled", "human-labels"))
    assert (cheap.text, top.text) == (f"distilled of {query.id}", f"tuned of {query.id}")
    assert top.cost_usd == pytest.approx(10 * cheap.cost_usd)
    assert cheap.latency_s == ENDPOINT.fixed_s + 400 * ENDPOINT.read_s + 20 * ENDPOINT.written_s


def test_a_row_that_models_of_half_of_the_lessons_answered_was_not_recorded(mixed):
    answered = [e.query.id for e in ROWS.folds[WROTE].train.examples if all_answered(mixed.models, e.query)]
    assert set(answered) == START
    assert all(all_answered(mixed.models, e.query) for e in ROWS.folds[OTHER].train.examples)


def test_labels_stay_on_top_of_the_other_tasks(mixed):
    replayed = models_beside_labels(mixed.settings, ROWS, mixed.models)
    wrote, other = (ROWS.folds[task].test.examples[0] for task in (WROTE, OTHER))
    assert replayed["human-labels"].answer(wrote.query).text == f"tuned of {wrote.query.id}"
    assert replayed["human-labels"].answer(other.query).text == other.reference
    assert not replayed["distilled"].has(other.query)
    with pytest.raises(BackendError, match="was not recorded on task 'cs_intent'"):
        replayed["distilled"].answer(other.query)


def test_what_they_say_is_told_by_tier_and_row(mixed):
    query = ROWS.folds[WROTE].gate.examples[0].query
    said = texts(mixed.models, [query])
    assert sorted(said.values()) == [f"distilled of {query.id}", f"tuned of {query.id}"]
