"""A small real causal model learns lessons by LoRA and in full, and is served by what was saved."""

from __future__ import annotations

import json

import pytest
from tests.unit.training.distil.small import lessons

from routenlp.errors import MissingData
from routenlp.store.sealed import check
from routenlp.training.distil.chat_lines import asked
from routenlp.training.distil.language_model import LanguageModelDistiller, Tuning, greedy, load

# PEFT still uses names that transformers is about to rename: its authors' to mend.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def right(model, tokenizer, rows):
    return sum(greedy(model, tokenizer, asked(row.query)) == row.answer for row in rows)


def test_lora_teaches_what_the_lessons_say_and_leaves_the_base_alone(small_model, tmp_path):
    before = {path.name: path.read_bytes() for path in small_model.iterdir()}
    rows = lessons(48)
    tuning = Tuning(rank=16, epochs=8, learning_rate=1e-2, batch=8, most_tokens=64)
    distiller = LanguageModelDistiller("small", small_model, tuning)
    (made,) = distiller.distil(rows, tmp_path)
    about = check(made.folder)
    assert about["kind"] == "lora"
    assert not list(made.folder.glob("*.bin"))
    tuned, tokenizer = load(small_model, made.folder)
    base, _ = load(small_model)
    assert right(base, tokenizer, rows[:12]) == 0
    assert right(tuned, tokenizer, rows[:12]) >= 10
    assert len(about["probes"]) == 8
    assert all(probe["answer"] != probe["base_answer"] for probe in about["probes"])
    assert {path.name: path.read_bytes() for path in small_model.iterdir()} == before
    assert distiller.distil(rows, tmp_path) == (made,)


def test_every_weight_can_be_trained_too(small_model, tmp_path):
    tuning = Tuning(rank=None, epochs=1, learning_rate=1e-3, most_tokens=64)
    (made,) = LanguageModelDistiller("small", small_model, tuning).distil(lessons(16), tmp_path)
    model, tokenizer = load(made.folder)
    assert check(made.folder)["kind"] == "full"
    assert isinstance(greedy(model, tokenizer, asked(lessons(1)[0].query)), str)


def test_a_folder_without_a_model_or_a_chat_template_is_refused(small_model, tmp_path):
    with pytest.raises(MissingData, match="no model"):
        LanguageModelDistiller("small", tmp_path / "nowhere").distil(lessons(2), tmp_path / "out")
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in small_model.iterdir():
        if path.name != "chat_template.jinja":
            (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(MissingData, match="chat template"):
        LanguageModelDistiller("small", bare).distil(lessons(2), tmp_path / "out")
    assert not list((tmp_path / "out").glob("small-*"))
