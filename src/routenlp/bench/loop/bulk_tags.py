"""Taggers answer many texts at once: one product of matrices for all emissions, one walk of the chain for all texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.tagger import LabelSet, Span, read_spans, write_answer
from routenlp.backends.student.word_features import Word
from routenlp.bench.loop.bulk_chains import Decoded, decode
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.contracts import TokenEncoder
from routenlp.training.tagger import count_features
from routenlp.types import FloatArray, Prediction, Vectors

NOTHING = Prediction("[]", (1.0,))
"""Of a text without words."""


def tag_all(
    label_set: LabelSet, encoder: TokenEncoder | None, texts: Sequence[str], hashed: HashedTexts
) -> list[Prediction]:
    """What `tagger.answer` says of each text, but for rounding."""
    seen = [hashed.words(text) for text in texts]
    out = [NOTHING] * len(texts)
    rows = [i for i, (words, _) in enumerate(seen) if words]
    if not rows:
        return out
    lengths = np.array([len(seen[i][0]) for i in rows], dtype=np.int64)
    emit = count_features(np.concatenate([seen[i][1] for i in rows]), label_set.known) @ label_set.lexical[:-1]
    if encoder is not None:
        vectors = encoder.encode_words([[word.form for word in seen[i][0]] for i in rows])
        emit += _in_context(np.concatenate(vectors), label_set.dense, lengths)
    decoded = decode(label_set.chain, emit.astype(np.float64), lengths)
    ends = np.cumsum(lengths)
    for i, first, last in zip(rows, ends - lengths, ends, strict=True):
        out[i] = _answer(label_set, texts[i], seen[i][0], decoded, slice(int(first), int(last)))
    return out


def _in_context(vectors: Vectors, dense: Vectors, lengths: NDArray[np.int64]) -> Vectors:
    """`with_neighbours(vectors) @ dense[:-1] + dense[-1]` of every text, without laying neighbours side by side."""
    d = vectors.shape[1]
    before, own, after = (vectors @ dense[i * d : (i + 1) * d] for i in range(3))
    ends = np.cumsum(lengths)
    own += dense[-1]
    own[1:] += _but(before[:-1], ends[:-1] - 1)
    own[:-1] += _but(after[1:], ends[:-1] - 1)
    return np.asarray(own)


def _but(rows: Vectors, borders: NDArray[np.int64]) -> Vectors:
    """With zeros where one text ends and another begins."""
    rows[borders] = 0.0
    return rows


def _answer(label_set: LabelSet, text: str, words: Sequence[Word], decoded: Decoded, at: slice) -> Prediction:
    tags, given = decoded.tags[at], decoded.given[at]
    spans = read_spans(tags)
    here, goes_on = decoded.here[at], decoded.goes_on[at]
    beliefs = [_exactly(span, here, given, goes_on) for span in spans]
    return write_answer(label_set, text, words, spans, [*beliefs, float(np.prod(given[tags == 0]))])


def _exactly(span: Span, here: FloatArray, given: FloatArray, goes_on: FloatArray) -> float:
    """As `tagger.exactly`: it begins here, goes on, and ends there."""
    run = here[span.first] * np.prod(given[span.first + 1 : span.last + 1])
    return float(run * (1.0 - goes_on[span.last]))
