"""Hashed n-grams on the axes of training texts: the same vectors when served as when fitted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from routenlp.backends.encoders.hashed import HashedEncoder, ngram_counts
from routenlp.errors import ArtefactError
from routenlp.training.text_features import TextFrame, count_texts, fit_text_frame

TEXTS = [f"{verb} my {thing} number {i}" for i, verb in enumerate(("block", "find", "send")) for thing in "abcdefgh"]
NEW = ["find my card", "", "   ", "ЧТО ЭТО", "x" * 9_000, "send my a number 2", "my my card, MY card my a!"]


@pytest.fixture(scope="module")
def frame() -> TextFrame:
    return fit_text_frame(count_texts(TEXTS), np.arange(len(TEXTS)), seed=0)


def test_serving_gives_the_features_that_backtests_are_fitted_on(frame: TextFrame) -> None:
    served = frame.surface.beside(frame.encoder().encode(NEW), NEW)
    np.testing.assert_allclose(served, frame.features(count_texts(NEW)), atol=1e-5)


def test_it_is_the_same_after_storage(frame: TextFrame) -> None:
    encoder = frame.encoder()
    again = HashedEncoder.from_parts(encoder.parts())
    assert again.name == encoder.name
    np.testing.assert_array_equal(again.encode(NEW), encoder.encode(NEW))


def test_a_text_without_known_ngrams_has_zeros(frame: TextFrame) -> None:
    assert not frame.encoder().encode(["", "ЧТО ЭТО"]).any()


def test_an_encoder_that_was_hashed_in_another_way_is_refused(frame: TextFrame) -> None:
    parts = frame.encoder().parts()
    with pytest.raises(ArtefactError, match="Train it again"):
        HashedEncoder.from_parts(replace(parts, meta={**parts.meta, "hash_bits": 12}))


def test_other_training_texts_make_another_name(frame: TextFrame) -> None:
    other = fit_text_frame(count_texts(TEXTS), np.arange(len(TEXTS) // 2), seed=0)
    assert other.encoder().name != frame.encoder().name


def test_ngrams_are_counted_with_repetitions() -> None:
    columns, values = ngram_counts("card card card")
    assert len(columns) == len(set(columns.tolist()))
    assert values.max() == pytest.approx(1.0 + np.log(3.0))


@pytest.mark.parametrize("words", [0, 1, 5, 400])
def test_each_word_and_each_pair_has_a_column_of_its_own_and_columns_rise(words: int) -> None:
    tokens = [f"w{i * i % 17}" for i in range(words)]
    expected = Counter(tokens) + Counter(pairwise(tokens))
    columns, values = ngram_counts("  ".join(tokens))
    assert (np.diff(columns) > 0).all()
    assert sorted(values) == pytest.approx(sorted(1.0 + np.log(count) for count in expected.values()))


def test_signs_and_lone_surrogates_are_words() -> None:
    assert len(ngram_counts("\ud800 card?")[0]) == 5
