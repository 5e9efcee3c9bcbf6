"""What the static encoder learns from a teacher: a tiny one whose vectors are known."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from routenlp.errors import TrainingError
from routenlp.training.static_encoder import distil
from routenlp.types import Vectors

WORDS = ["card", "fee", "bank", "lender", "law", "court", "goal", "match"]
TEXTS = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS[:3]]
TOKENIZER = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: at for at, word in enumerate(["[UNK]", *WORDS, "never"])},
            "unk_token": "[UNK]",
        },
    }
)


class Topics:
    """Sentence vectors are the mean of random word vectors, moved by what no single token shows."""

    name = "topics"
    dim = 300
    tokenizer_json = TOKENIZER

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        self._true = {word: random.normal(size=self.dim) for word in WORDS}
        self._alone = {word: random.normal(size=self.dim) for word in WORDS}
        self.read: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.read.extend(texts)
        return np.array([self._vector(text.split()) for text in texts], dtype=np.float32)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        return [self.encode(words) for words in sentences]

    def _vector(self, words: list[str]) -> Vectors:
        table = self._alone if len(words) == 1 else self._true
        mean = np.mean([table.get(word, np.full(self.dim, 0.1)) for word in words], axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def test_means_of_token_vectors_meet_the_teachers_sentence_vectors() -> None:
    teacher = Topics()
    student = distil(teacher, TEXTS)
    ours, theirs = student.encode(TEXTS), teacher.encode(TEXTS)
    difference = np.abs(ours @ ours.T - theirs @ theirs.T)
    assert difference.mean() < 0.05


def test_the_same_texts_give_the_same_encoder() -> None:
    assert distil(Topics(), TEXTS).name == distil(Topics(), TEXTS).name


def test_a_word_that_no_text_has_still_has_a_vector() -> None:
    assert np.linalg.norm(distil(Topics(), TEXTS).encode(["never"])) == pytest.approx(1.0, abs=1e-5)


def test_texts_without_tokens_are_left_out() -> None:
    assert distil(Topics(), ["", " ", *TEXTS]).name == distil(Topics(), TEXTS).name


def test_one_text_is_enough_to_give_an_encoder() -> None:
    assert distil(Topics(), ["card fee"]).encode(["card"]).shape[0] == 1


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_no_token_at_all_is_a_training_error(texts: list[str]) -> None:
    with pytest.raises(TrainingError, match="has a token"):
        distil(Topics(), texts)


def test_the_shortest_texts_are_read_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routenlp.training.static_encoder._TEACHER_TOKENS", 7)
    teacher = Topics()
    distil(teacher, ["card fee bank card", "law", "court goal", "match match match"])
    assert teacher.read[-3:] == ["law", "court goal", "match match match"]


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    distil(Topics(), TEXTS, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
