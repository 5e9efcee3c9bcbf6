"""Students refitted on lessons: new versions that know more, old ones untouched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.training.distil.small import WORDS, lessons

from routenlp.backends.student import registry
from routenlp.errors import TrainingError
from routenlp.store import artefacts
from routenlp.training import students
from routenlp.training.distil.students import StudentDistiller, StudentTask
from routenlp.types import Example, Query, TrainingFold

pytestmark = pytest.mark.slow


def fold(task: str, words: list[str], n: int = 40) -> TrainingFold:
    rows = [
        (f"{task}{i}", f"please {i % 7} my {words[i % len(words)]} now", WORDS[words[i % len(words)]]) for i in range(n)
    ]
    return TrainingFold(task, tuple(Example(Query(id_, task, text), label, id_) for id_, text, label in rows))


@pytest.fixture
def distiller(minilm, tmp_path):
    rich = minilm.with_pooling(rich=True)
    tasks = {
        "intent": StudentTask("classifier", fold("intent", ["card", "refund"]), 1.0),
        "other": StudentTask("classifier", fold("other", ["card", "refund"]), 1.0),
    }
    models = {"ngram": "ngram", "minilm": "minilm"}
    parts = {tier: {} for tier in models}
    for name, task in tasks.items():
        job = students.Job(task.fold, minilm, rich, 1.0, 0)
        for model, fitted in students.fit(task.kind, list(models), job).items():
            parts[model][name] = fitted.student.parts()
    for tier in models:
        artefacts.write(tmp_path / "now" / tier, parts[tier])
    current = {tier: tmp_path / "now" / tier for tier in models}
    return StudentDistiller(models, current, tasks, minilm, rich, 0)


def test_a_turn_of_students(distiller, minilm, tmp_path):
    before = {tier: artefacts.read(folder) for tier, folder in distiller.current.items()}
    made = distiller.distil(lessons(60), tmp_path / "new")
    assert [version.tier for version in made] == ["ngram", "minilm"]
    encoders = [minilm, minilm.with_pooling(rich=True)]
    asked = Query("q", "intent", "what about my limit")
    for version in made:
        assert version.name != version.tier
        parts = artefacts.read(version.folder)
        assert registry.load(parts["intent"], encoders).predict([asked])[0].text == "limit_raise"
        old = registry.load(before[version.tier]["intent"], encoders).predict([asked])[0].text
        assert old != "limit_raise"
        assert parts["other"].meta == before[version.tier]["other"].meta
        assert set(version.held_out["intent"]) <= {f"intent{i}" for i in range(40)} | {f"l{i}" for i in range(60)}
        assert all(p.token_probs for p in version.held_out["intent"].values())
    again = distiller.distil(list(reversed(lessons(60))), tmp_path / "new")
    assert again == made
    assert {tier: artefacts.read(folder).keys() for tier, folder in distiller.current.items()} == {
        tier: parts.keys() for tier, parts in before.items()
    }
    with pytest.raises(TrainingError, match="lessons"):
        distiller.distil([], tmp_path / "none")


def test_a_tier_that_gets_no_student_of_the_task_keeps_what_it_has(distiller, tmp_path):
    before = {tier: artefacts.read(folder)["intent"].meta for tier, folder in distiller.current.items()}
    walled = replace(distiller.tasks["intent"], tiers=frozenset({"ngram"}))
    made = replace(distiller, tasks={**distiller.tasks, "intent": walled}).distil(lessons(60), tmp_path / "new")
    after = {version.tier: artefacts.read(version.folder)["intent"].meta for version in made}
    assert after["minilm"] == before["minilm"]
    assert after["ngram"] != before["ngram"]
    assert {version.tier: set(version.held_out) for version in made} == {"ngram": {"intent"}, "minilm": set()}
