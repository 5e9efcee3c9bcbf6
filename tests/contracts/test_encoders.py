"""What every encoder promises: defined for every text, a row of its own, a name that is part of every cache key."""

from __future__ import annotations

import numpy as np
import pytest
from tests.contracts.letters import LetterCounts
from tests.contracts.test_students import ODD

from routenlp.backends.encoders.cache import CachedTokenEncoder
from routenlp.backends.encoders.joined import JoinedEncoder
from routenlp.backends.encoders.last_texts import LastTexts
from routenlp.backends.encoders.middle import MiddleLayer
from routenlp.training.static_encoder import distil
from routenlp.training.text_features import count_texts, fit_text_frame

TEXTS = ["where is my card", "what does it cost", "where is my card", *ODD]


@pytest.fixture(scope="module")
def static(remembered_minilm):
    return distil(remembered_minilm, ["where is my card", "what does a new card cost", "I lost my phone"] * 5)


SLOW = pytest.param("static", marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def hashed():
    texts = ["where is my card", "what does a new card cost", "I lost my phone"] * 5
    return fit_text_frame(count_texts(texts), np.arange(len(texts)), seed=0).encoder()


@pytest.fixture(params=["hashed", "letters", "cached", "minilm", "minilm-rich", "middle", "joined", "last-texts", SLOW])
def encoder(request, tmp_path):
    if request.param == "letters":
        return LetterCounts()
    if request.param == "cached":
        return CachedTokenEncoder(LetterCounts(), tmp_path)
    if request.param == "last-texts":
        return LastTexts(LetterCounts())
    if request.param in ("static", "hashed"):
        return request.getfixturevalue(request.param)
    minilm = request.getfixturevalue("minilm")
    if request.param == "middle":
        return MiddleLayer(minilm)
    if request.param == "joined":
        return JoinedEncoder([request.getfixturevalue("hashed"), MiddleLayer(minilm)])
    return minilm.with_pooling(rich=request.param == "minilm-rich")


def test_one_row_of_the_promised_width_a_text(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_row_depends_on_its_own_text_only(encoder):
    together = encoder.encode(TEXTS)
    for i in (0, 1, 3, 8):
        np.testing.assert_array_equal(encoder.encode([TEXTS[i]])[0], together[i])
    np.testing.assert_array_equal(together[0], together[2])


def test_its_name_is_stable(encoder):
    assert encoder.name == encoder.name
    assert encoder.name


def test_words_have_vectors_of_their_own(encoder):
    if not hasattr(encoder, "encode_words"):
        pytest.skip("gives no word vectors")
    sentences = [["where", "is", "my", "card"], [], ["x" * 5_000, "\ud800", ""], ["word"] * 600]
    vectors = encoder.encode_words(sentences)
    assert [len(v) for v in vectors] == [len(s) for s in sentences]
    assert all(np.isfinite(v).all() for v in vectors)


def test_the_middle_layer_is_the_middle_block_of_rich_vectors(minilm):
    rich = minilm.with_pooling(rich=True).encode(TEXTS[:3])
    width = rich.shape[1] // 3
    np.testing.assert_array_equal(MiddleLayer(minilm).encode(TEXTS[:3]), rich[:, width : 2 * width])
