"""Sentence and word vectors. What needs the real weights is marked; windows and clean-up are tested without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.encoders.minilm import MiniLM, _windows, well_formed
from routenlp.errors import MissingData

TEXTS = ["", " ", "\0\ud800", "I am still waiting on my card?", "a much longer text, " * 60, "x" * 100_000, "你好"]


@given(st.text(st.characters(codec=None)))
def test_well_formed_text_can_be_written_and_has_no_nul(text: str) -> None:
    clean = well_formed(text)
    clean.encode("utf-8")
    assert "\0" not in clean


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_well_formed_leaves_well_formed_text_alone(text: str) -> None:
    assert well_formed(text) == text


@given(st.lists(st.integers(0, 8), max_size=80))
def test_windows_keep_every_word_once_and_fit(lengths: list[int]) -> None:
    windows = list(_windows(lengths, 40, 6))
    kept = [word for window in windows for word in range(window.keep_first, window.keep_last)]
    assert kept == list(range(len(lengths)))
    for window in windows:
        assert window.first <= window.keep_first <= window.keep_last <= window.last
        assert sum(lengths[window.first : window.last]) <= 40


def test_words_at_a_cut_are_read_with_context_on_both_sides() -> None:
    middle = list(_windows([4] * 40, 40, 8))[1]
    assert (middle.keep_first - middle.first, middle.last - middle.keep_last) == (2, 2)


def test_a_folder_without_manifest_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"manifest\.json"):
        MiniLM.load(tmp_path)


@pytest.mark.slow
def test_a_row_does_not_depend_on_its_neighbours(minilm: MiniLM) -> None:
    together = minilm.encode(TEXTS)
    backwards = minilm.encode(TEXTS[::-1])[::-1]
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.array_equal(together, backwards)


@pytest.mark.slow
def test_every_text_has_a_vector_of_length_one(minilm: MiniLM) -> None:
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), minilm.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
def test_no_texts_give_no_rows(minilm: MiniLM) -> None:
    assert minilm.encode([]).shape == (0, minilm.dim)
    assert minilm.encode_words([]) == []


@pytest.mark.slow
def test_near_texts_are_nearer_than_far_ones(minilm: MiniLM) -> None:
    card, wait, law = minilm.encode(
        ["My card has not arrived.", "I am still waiting on my card?", "This Agreement is governed by New York law."]
    )
    assert card @ wait > 0.6 > 0.3 > card @ law


@pytest.mark.slow
def test_rich_vectors_begin_with_the_mean(minilm: MiniLM) -> None:
    mean, rich = minilm.with_pooling(rich=False), minilm.with_pooling(rich=True)
    vectors = rich.encode(TEXTS[:4])
    assert vectors.shape == (4, 1152)
    assert np.array_equal(vectors[:, :384], mean.encode(TEXTS[:4]))
    assert rich.name != mean.name


@pytest.mark.slow
def test_every_word_of_a_long_sentence_has_a_vector(minilm: MiniLM) -> None:
    words = ["indemnification", "of", "Lender"] * 300
    (vectors,) = minilm.encode_words([words])
    assert vectors.shape == (900, 384)
    assert np.all(np.linalg.norm(vectors, axis=1) > 0.1)


@pytest.mark.slow
def test_a_word_without_tokens_has_zeros(minilm: MiniLM) -> None:
    empty, (blank, word, surrogate) = minilm.encode_words([[], [" ", "card", "\0"]])
    assert empty.shape == (0, 384)
    assert not blank.any()
    assert not surrogate.any()
    assert word.any()


@pytest.mark.slow
def test_a_huge_word_is_read_in_part(minilm: MiniLM) -> None:
    (vectors,) = minilm.encode_words([["." * 100_000, "end"]])
    assert np.all(np.linalg.norm(vectors, axis=1) > 0.1)


@pytest.mark.slow
def test_word_vectors_survive_half_precision(minilm: MiniLM) -> None:
    (vectors,) = minilm.encode_words([["my", "card"]])
    assert np.array_equal(vectors, vectors.astype(np.float16).astype(np.float32))
