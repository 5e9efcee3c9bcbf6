"""Inference of the static encoder, on a table written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.encoders.static import StaticEncoder
from routenlp.errors import ArtefactError
from routenlp.types import Parts

TOKENIZER = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "east": 1, "north": 2}, "unk_token": "[UNK]"},
    }
)


@pytest.fixture(scope="module")
def compass() -> StaticEncoder:
    return StaticEncoder(TOKENIZER, np.array([1, 2], dtype=np.int32), np.array([[2, 0], [0, 2]], dtype=np.float16))


def test_a_text_is_the_direction_of_the_mean_of_its_tokens(compass: StaticEncoder) -> None:
    np.testing.assert_allclose(compass.encode(["east", "east north"]), [[1, 0], [0.5**0.5, 0.5**0.5]], rtol=1e-6)


@pytest.mark.parametrize("text", ["", " \n", "unknown words", "\0"])
def test_a_text_without_known_tokens_has_zeros(compass: StaticEncoder, text: str) -> None:
    assert not compass.encode([text]).any()


def test_of_a_huge_text_head_and_tail_count(compass: StaticEncoder) -> None:
    (vector,) = compass.encode(["east " + "unknown " * 100_000 + "north"])
    np.testing.assert_allclose(vector, [0.5**0.5, 0.5**0.5], rtol=1e-6)


@given(texts=st.lists(st.text(st.characters(codec=None), max_size=20) | st.sampled_from(["east", "north"]), max_size=5))
def test_a_row_depends_on_its_own_text_only(compass: StaticEncoder, texts: list[str]) -> None:
    together = compass.encode(texts)
    assert together.shape == (len(texts), 2)
    for row, text in enumerate(texts):
        assert np.array_equal(together[row], compass.encode([text])[0])


def test_parts_make_the_same_encoder(compass: StaticEncoder) -> None:
    again = StaticEncoder.from_parts(compass.parts())
    assert again.name == compass.name
    assert np.array_equal(again.encode(["east north"]), compass.encode(["east north"]))


def test_the_name_changes_with_the_table(compass: StaticEncoder) -> None:
    other = StaticEncoder(TOKENIZER, np.array([1, 2], dtype=np.int32), np.array([[2, 0], [0, 1]], dtype=np.float16))
    assert other.name != compass.name


def test_other_parts_are_refused(compass: StaticEncoder) -> None:
    parts = compass.parts()
    few = dict(parts.arrays) | {"token_ids": np.array([1], dtype=np.int32)}
    garbage = dict(parts.arrays) | {"tokenizer": np.frombuffer(b"{}", dtype=np.uint8)}
    for bad in (
        Parts("other", parts.arrays, {}),
        Parts(parts.kind, {}, {}),
        Parts(parts.kind, few, {}),
        Parts(parts.kind, garbage, {}),
    ):
        with pytest.raises(ArtefactError):
            StaticEncoder.from_parts(bad)
