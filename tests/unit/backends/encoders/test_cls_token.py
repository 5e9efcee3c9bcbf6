"""The vector of the first token."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.training.paper_network.worlds import small_bert, small_tokenizer

from routenlp.backends.encoders.cls_token import ClsToken, open_tokenizer, token_ids
from routenlp.training.minilm_graph import float_graph

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def encoder() -> ClsToken:
    return ClsToken(float_graph(small_bert()).SerializeToString(), small_tokenizer(), max_tokens=16)


def test_vectors_have_the_encoders_width(encoder: ClsToken) -> None:
    assert encoder.encode(["w1 w2", ""]).shape == (2, 24) == (2, encoder.dim)
    assert encoder.encode([]).shape == (0, 24)


@pytest.mark.parametrize("text", ["", "\x00" * 10, "\ud800 lone", "w1 " * 5_000, "ß٣"])
def test_every_text_has_a_vector(encoder: ClsToken, text: str) -> None:
    assert np.isfinite(encoder.encode([text])).all()


def test_a_text_has_the_same_vector_alone_and_in_bulk(encoder: ClsToken) -> None:
    texts = ["w1", "w2 w3 w4", "w5 " * 30]
    alone = [encoder.encode([text])[0].tobytes() for text in texts]
    assert [row.tobytes() for row in encoder.encode(texts)] == alone


def test_long_texts_keep_head_and_tail() -> None:
    tokenizer = open_tokenizer(small_tokenizer())
    ids = token_ids(tokenizer, " ".join(f"w{i}" for i in range(50)), 9)
    words = [tokenizer.id_to_token(i) for i in ids]
    assert words == ["[CLS]", "w0", "w1", "w2", "w3", "w47", "w48", "w49", "[SEP]"]


def test_the_name_says_what_changes_the_vectors(encoder: ClsToken) -> None:
    other = small_bert()
    other["encoder.layer.5.output.dense.bias"] = other["encoder.layer.5.output.dense.bias"] + 1
    moved = ClsToken(float_graph(other).SerializeToString(), small_tokenizer(), max_tokens=16)
    shorter = ClsToken(float_graph(small_bert()).SerializeToString(), small_tokenizer(), max_tokens=8)
    assert len({encoder.name, moved.name, shorter.name}) == 3
