"""What a router reads of texts: an encoder fitted on the training fold, and the features of every query.

By name: `hashed` n-grams; `static`, token vectors distilled from the sentence encoder, beside them; `minilm`, the
sentence encoder's middle layer beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.joined import JoinedEncoder
from routenlp.contracts import Encoder, StoredEncoder, TokenEncoder
from routenlp.router.reading import MOST_CHARS, SurfaceFrame, head_and_tail
from routenlp.training.text_features import TextFrame, count_texts, fit_text_frame
from routenlp.types import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class ReadTexts:
    """An encoder, and what it makes of the texts."""

    encoder: StoredEncoder
    surface: SurfaceFrame
    features: Vectors
    """Of every text, shape (n, d): encoder vectors, then the surface."""


@dataclass(frozen=True, slots=True, eq=False)
class SentenceEncoders:
    """Of one model, for training: with a memory, where there is one."""

    words: TokenEncoder
    """What the static encoder is distilled from."""
    middle: Encoder
    """The middle layer's vectors."""
    bare: StoredEncoder
    """The same without a memory: what is stored and asked."""


Sentences = Callable[[], SentenceEncoders]
"""Called only where an encoder needs them. Raises `MissingData` where their weights cannot be had."""
Read = Callable[[Sequence[str], NDArray[np.int64], int, Sentences], ReadTexts]
"""From texts, the positions of the training fold, and a seed."""


def as_read(texts: Sequence[str]) -> list[str]:
    """Texts as they are read of a query without earlier turns: long ones by head and tail."""
    return [head_and_tail(text, MOST_CHARS) for text in texts]


def read_hashed(texts: Sequence[str], train: NDArray[np.int64], seed: int, sentences: Sentences) -> ReadTexts:  # noqa: ARG001 - a `Read`
    """Words and pairs of words. No download."""
    frame, vectors = _hashed(texts, train, seed)
    return ReadTexts(frame.encoder(), frame.surface, frame.surface.beside(vectors, texts))


def read_static(texts: Sequence[str], train: NDArray[np.int64], seed: int, sentences: Sentences) -> ReadTexts:
    """Beside them token vectors distilled for the training texts, which are stored with the router."""
    from routenlp.training.static_encoder import distil  # with it comes scipy, which a gateway has no use for

    frame, vectors = _hashed(texts, train, seed)
    static = distil(sentences().words, [texts[i] for i in train])
    return _beside(frame, vectors, static, static.encode(texts), texts)


def read_minilm(texts: Sequence[str], train: NDArray[np.int64], seed: int, sentences: Sentences) -> ReadTexts:
    """Beside them the middle layer of the sentence encoder, whose weights are not stored with the router."""
    frame, vectors = _hashed(texts, train, seed)
    found = sentences()
    return _beside(frame, vectors, found.bare, found.middle.encode(texts), texts)


READERS: Mapping[str, Read] = MappingProxyType({"hashed": read_hashed, "static": read_static, "minilm": read_minilm})


def _hashed(texts: Sequence[str], train: NDArray[np.int64], seed: int) -> tuple[TextFrame, Vectors]:
    """The frame, and its vectors without the surface."""
    frame = fit_text_frame(counts := count_texts(texts), train, seed=seed)
    return frame, frame.features(counts)[:, : frame.axes.shape[1]]


def _beside(
    frame: TextFrame, hashed: Vectors, other: StoredEncoder, vectors: Vectors, texts: Sequence[str]
) -> ReadTexts:
    encoder = JoinedEncoder([frame.encoder(), other])
    both = np.concatenate([hashed, vectors], axis=1)
    return ReadTexts(encoder, frame.surface, frame.surface.beside(both, texts))
