"""Hashed n-grams: which there are, that they are stable, and what a vocabulary keeps of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.encoders.ngrams import NgramHasher, learn_vocabulary

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
WORDS = NgramHasher(words=(1,), chars=())
FROZEN = {
    65313706,
    500337097,
    722868226,
    994118113,
    1817874829,
    1913575323,
    2830425652,
    3089351983,
    3114546872,
    3217704141,
    3928924962,
}
"""Stored models hold hashes, so these may never change."""


@given(ANY_TEXT)
def test_every_text_has_hashes_of_32_bits(text: str) -> None:
    assert NgramHasher().hashes(text).dtype == np.uint32


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_blank_text_has_none(text: str) -> None:
    assert len(NgramHasher().hashes(text)) == 0


@given(st.lists(st.sampled_from(["card", "fee", "a", "é", "?"]), min_size=1, max_size=8))
def test_there_are_as_many_as_there_are_windows(words: list[str]) -> None:
    hashes = NgramHasher(words=(1, 2), chars=(3,)).hashes(" ".join(words))
    letters = len(" ".join(words)) + 2
    assert len(hashes) == len(words) + max(0, len(words) - 1) + max(0, letters - 2)


def test_case_and_white_space_do_not_matter() -> None:
    assert np.array_equal(NgramHasher().hashes("My  card\n"), NgramHasher().hashes("my card"))


def test_word_order_matters_to_pairs_and_not_to_words() -> None:
    pairs = NgramHasher(words=(2,), chars=())
    assert set(WORDS.hashes("pay the fee")) == set(WORDS.hashes("fee the pay"))
    assert not set(pairs.hashes("pay the fee")) & set(pairs.hashes("fee the pay"))


def test_a_word_has_one_hash_wherever_it_stands() -> None:
    assert len(set(WORDS.hashes("card card card"))) == 1


def test_words_and_characters_of_one_text_do_not_collide() -> None:
    characters = NgramHasher(words=(), chars=(1,)).hashes("a")
    assert not set(characters) & set(WORDS.hashes("a"))


def test_hashes_stay_the_same_from_version_to_version() -> None:
    known = {int(value) for value in NgramHasher(words=(1, 2), chars=(2,)).hashes("my card")}
    assert known == FROZEN


def test_of_a_huge_text_head_and_tail_count() -> None:
    small = NgramHasher(words=(1,), chars=(), max_chars=20)
    hashes = set(small.hashes("head " + "middle " * 100 + " tail"))
    assert set(WORDS.hashes("head tail")) <= hashes


def test_a_vocabulary_keeps_what_enough_texts_have() -> None:
    vocabulary = learn_vocabulary(["card fee", "card loan", "card"], WORDS, min_rows=2, max_size=10)
    assert vocabulary.known.tolist() == WORDS.hashes("card").tolist()


@given(st.integers(1, 6))
def test_a_vocabulary_stays_within_its_size_when_frequencies_differ(size: int) -> None:
    words = ["a", "b", "c", "d", "e", "f"]
    texts = [" ".join(words[: n + 1]) for n in range(len(words))]
    known = learn_vocabulary(texts, WORDS, min_rows=1, max_size=size).known
    assert 1 <= len(known) <= size
    assert np.all(np.diff(known.astype(np.int64)) > 0)


def test_rare_words_weigh_more() -> None:
    vocabulary = learn_vocabulary(["card fee", "card", "card"], WORDS, min_rows=1, max_size=10)
    columns, values = vocabulary.row("card fee")
    weight = dict(zip(vocabulary.known[columns].tolist(), values.tolist(), strict=True))
    assert weight[int(WORDS.hashes("fee")[0])] > weight[int(WORDS.hashes("card")[0])]


@given(ANY_TEXT)
def test_a_row_has_length_one_or_nothing(text: str) -> None:
    vocabulary = learn_vocabulary(["my card has not arrived", "a b c d e"], NgramHasher(), min_rows=1, max_size=500)
    columns, values = vocabulary.row(text)
    assert len(columns) == len(values)
    assert len(values) == 0 or np.linalg.norm(values) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_make_an_empty_vocabulary() -> None:
    vocabulary = learn_vocabulary([], NgramHasher(), min_rows=1, max_size=10)
    assert len(vocabulary.known) == 0
    columns, values = vocabulary.row("card")
    assert (len(columns), len(values)) == (0, 0)
