"""Lessons out to another's trainer, and its model in again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.training.distil.small import lessons

from routenlp.errors import ArtefactError, TrainingError
from routenlp.training.distil.chat_lines import LINES, ExportDistiller, adopted, asked
from routenlp.types import Turn

DISTILLER = ExportDistiller("small", "base-1", {"intent": "Name the intent."})


def test_lines_are_conversations_that_end_in_the_teachers_answer(tmp_path):
    turns = (Turn("user", "hello"), Turn("assistant", "hi"))
    first = replace(lessons(1)[0], query=replace(lessons(1)[0].query, turns=turns, text="naïve \u2028 card"))
    (made,) = DISTILLER.distil([first, *lessons(3)[1:]], tmp_path)
    lines = (made.folder / LINES).read_text(encoding="utf-8").split("\n")
    assert len(lines) == 4
    assert lines[-1] == ""
    assert json.loads(lines[0])["messages"] == [
        {"role": "system", "content": "Name the intent."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "naïve \u2028 card"},
        {"role": "assistant", "content": "card_lost"},
    ]


def test_a_tier_without_a_system_prompt_is_asked_without_one():
    assert asked(lessons(1)[0].query) == [{"role": "user", "content": "number 0 about my card"}]


def test_the_same_lessons_are_exported_once(tmp_path):
    (first,) = DISTILLER.distil(lessons(4), tmp_path)
    before = (first.folder / LINES).stat().st_mtime_ns
    assert DISTILLER.distil(lessons(4), tmp_path) == (first,)
    assert (first.folder / LINES).stat().st_mtime_ns == before
    assert DISTILLER.distil(lessons(5), tmp_path)[0].name != first.name


def test_a_trained_model_comes_back_as_a_new_version(tmp_path):
    (exported,) = DISTILLER.distil(lessons(4), tmp_path)
    made = adopted(exported.folder, "ft:base-1:acme:9x", tmp_path)
    assert (made.tier, made.lessons, made.lessons_sha256) == ("small", 4, exported.lessons_sha256)
    assert adopted(exported.folder, "ft:base-1:acme:9x", tmp_path) == made
    assert adopted(exported.folder, "ft:base-1:acme:8y", tmp_path).name != made.name


@pytest.mark.parametrize("model", ["base-1", "", "  "])
def test_the_base_itself_is_no_trained_model(tmp_path, model):
    (exported,) = DISTILLER.distil(lessons(4), tmp_path)
    with pytest.raises(ArtefactError, match="trained model"):
        adopted(exported.folder, model, tmp_path)


def test_an_altered_export_is_refused(tmp_path):
    (exported,) = DISTILLER.distil(lessons(4), tmp_path)
    with (exported.folder / LINES).open("a") as file:
        file.write("\n")
    with pytest.raises(ArtefactError, match="not what was sealed"):
        adopted(exported.folder, "ft:1", tmp_path)


def test_nothing_is_exported_without_lessons(tmp_path):
    with pytest.raises(TrainingError):
        DISTILLER.distil([], tmp_path)
    assert list(tmp_path.iterdir()) == []
