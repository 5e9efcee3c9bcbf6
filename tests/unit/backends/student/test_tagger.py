"""Taggers answer every text, and their probabilities follow the list they answer with."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.student.tagger import Span, Tagger, read_spans, write_spans
from routenlp.backends.student.word_features import MAX_WORDS, split_words, word_features
from routenlp.errors import ArtefactError
from routenlp.grading.entities import Entity, from_text, to_text
from routenlp.training.tagger import fit_tagger
from routenlp.types import Example, Parts, Prediction, Query, Vectors

NAMES = ["Acme Corp", "Borealis", "Cato Ltd", "Dunder"]
YEARS = ["2019", "2020", "2021"]


def example(text: str, entities: Sequence[Entity], schema: str = "news") -> Example:
    return Example(Query(text, "ner", text, {"schema": schema}), to_text(entities), text)


def news() -> list[Example]:
    return [
        example(f"Profit of {name} rose in {year} .", [Entity("Company", name), Entity("Date", year)])
        for name in NAMES
        for year in YEARS
    ] + [example(f"Nothing {word} happened .", []) for word in ("much", "new", "else", "good")]


class Letters:
    """A `TokenEncoder` of 4 dimensions that looks at a word's first letter and length only."""

    name = "letters"
    dim = 4
    tokenizer_json = "{}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.array([self._word(text) for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        return [self.encode(words) for words in sentences]

    def _word(self, word: str) -> list[float]:
        first = word[:1]
        return [float(first.isupper()), float(first.isdigit()), float(first.isalpha()), min(len(word), 10) / 10]


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return fit_tagger(news(), encoder=None, seed=1).student


def ask(tagger: Tagger, text: str, **metadata: str) -> Prediction:
    (prediction,) = tagger.predict([Query("q", "ner", text, metadata or {"schema": "news"})])
    return prediction


def test_entities_are_read_off_the_text_with_its_own_blanks(tagger: Tagger) -> None:
    answer = ask(tagger, "Profit of  Acme \u00a0Corp rose in 2020 .")
    assert from_text(answer.text) == (Entity("Company", "Acme \u00a0Corp"), Entity("Date", "2020"))


def test_one_probability_an_entity_and_one_that_the_list_is_complete(tagger: Tagger) -> None:
    answer = ask(tagger, "Profit of Acme Corp rose in 2020 .")
    assert answer.token_probs is not None
    assert len(answer.token_probs) == 3
    assert all(0.0 < p <= 1.0 for p in answer.token_probs)


def test_an_empty_list_has_the_probability_that_nothing_is_there(tagger: Tagger) -> None:
    answer = ask(tagger, "Nothing strange happened .")
    assert answer.text == "[]"
    assert answer.token_probs is not None
    assert len(answer.token_probs) == 1


@pytest.mark.parametrize("metadata", [{"schema": "medical"}, {"language": "en"}])
def test_an_unknown_label_set_is_answered_without_any_confidence(tagger: Tagger, metadata: dict[str, str]) -> None:
    assert ask(tagger, "Profit of Acme Corp", **metadata) == Prediction("[]", (0.0,))


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_text_without_words_has_no_entities_for_sure(tagger: Tagger, text: str) -> None:
    assert ask(tagger, text) == Prediction("[]", (1.0,))


@pytest.mark.parametrize("text", ["x" * 100_000, "Acme Corp " * 10_000, "\0 a\0b", "\ud800 Acme Corp \udfff"])
def test_odd_texts_have_a_defined_answer(tagger: Tagger, text: str) -> None:
    answer = ask(tagger, text)
    assert isinstance(json.loads(answer.text), list)
    assert answer.token_probs
    assert all(0.0 <= p <= 1.0 for p in answer.token_probs)


def test_only_the_first_words_are_tagged() -> None:
    assert len(split_words("a " * 100_000)) == MAX_WORDS


@given(st.text(max_size=60))
def test_every_text_has_probabilities(tagger: Tagger, text: str) -> None:
    probs = ask(tagger, text).token_probs
    assert probs
    assert all(0.0 <= p <= 1.0 for p in probs)


def test_an_answer_does_not_depend_on_its_neighbours(tagger: Tagger) -> None:
    queries = [row.query for row in news()]
    assert tagger.predict(queries) == [tagger.predict([query])[0] for query in queries]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), max_size=5))
def test_tags_and_spans_say_the_same(pieces: list[tuple[int, int, int]]) -> None:
    spans, at = [], 0
    for gap, length, kind in pieces:
        spans.append(Span(at + gap, at + gap + length - 1, kind))
        at += gap + length
    assert read_spans(write_spans(spans, at + 1)) == spans


def test_features_of_a_word_depend_on_the_words_near_it() -> None:
    left, right = word_features(list("abcdefgh")), word_features(list("abcdefgx"))
    assert np.array_equal(left[:3], right[:3])
    assert not np.array_equal(left[6], right[6])


@pytest.mark.parametrize("encoder", [None, Letters()])
def test_taken_apart_and_built_again_it_answers_the_same(encoder: Letters | None) -> None:
    tagger = fit_tagger(news(), encoder=encoder, seed=1).student
    again = Tagger.from_parts(tagger.parts(), encoder)
    queries = [row.query for row in news()]
    for before, after in zip(tagger.predict(queries), again.predict(queries), strict=True):
        assert before.text == after.text
        assert before.token_probs == pytest.approx(after.token_probs, abs=0.01)


def test_vectors_of_another_encoder_are_refused() -> None:
    parts = fit_tagger(news(), encoder=Letters(), seed=1).student.parts()
    with pytest.raises(ArtefactError, match="letters"):
        Tagger.from_parts(parts, None)


def test_a_missing_array_is_named(tagger: Tagger) -> None:
    parts = tagger.parts()
    without = {name: array for name, array in parts.arrays.items() if name != "news/step"}
    with pytest.raises(ArtefactError, match="news/step"):
        Tagger.from_parts(Parts(parts.kind, without, parts.meta))
