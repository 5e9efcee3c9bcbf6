"""Picks summaries with sentence vectors: the shortlist of a `SentenceModel`, scored again.

Only the shortlist is encoded, `CONTEXT_WORDS` words around each span, so that the time of an answer does not grow
with the transcript. A logistic model joins what the words said (the first model's logit and span) with the vector
of the sentence, its likeness to the mean of the shortlist and to its nearest neighbour there. Spans are then
chosen as `picker.choose` does, with the new logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.picker import (
    Arrays,
    Confidence,
    SentenceModel,
    Shortlist,
    Span,
    choose,
    picking_of,
    taken_apart,
)
from routenlp.contracts import Encoder
from routenlp.errors import ArtefactError
from routenlp.types import FloatArray, Parts, Prediction, Query, Vectors

CONTEXT_WORDS = 32
"""Words of a sentence that are encoded, the span in the middle."""
SPAN_FEATURES = 8


def contexts(shortlist: Shortlist) -> list[str]:
    """The text to encode for each span."""
    return [_context(shortlist.transcript.sentence(span.sentence), span) for span in shortlist.spans]


def _context(words: list[str], span: Span) -> str:
    first = max(0, min((span.start + span.stop - CONTEXT_WORDS) // 2, len(words) - CONTEXT_WORDS))
    return " ".join(words[first : first + CONTEXT_WORDS])


def span_features(shortlist: Shortlist, vectors: Vectors) -> FloatArray:
    """What a span looks like among its shortlist; shape (spans, 8). `vectors`: one a span, shape (spans, dim)."""
    logits = np.array([span.logit for span in shortlist.spans])
    kept = np.array([span.kept for span in shortlist.spans])
    words = np.array([span.words for span in shortlist.spans], dtype=np.float64)
    unit = vectors.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    centre = unit.mean(axis=0)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, 0.0)
    columns = [
        logits,
        logits - logits.max(),
        logits - logits.mean(),
        kept / words,
        np.log1p(kept),
        np.log(words),
        unit @ centre / max(float(np.linalg.norm(centre)), 1e-9),
        likeness.max(axis=1),
    ]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class SpanWeights:
    """Logistic weights over `span_features` and the vector."""

    features: FloatArray
    vector: FloatArray
    bias: float

    def rescore(self, shortlist: Shortlist, vectors: Vectors) -> Shortlist:
        """The same spans with the logits of this model."""
        if not shortlist.spans:
            return shortlist
        logits = span_features(shortlist, vectors) @ self.features + vectors @ self.vector + self.bias
        spans = zip(shortlist.spans, logits.tolist(), strict=True)
        return replace(shortlist, spans=tuple(replace(span, logit=logit) for span, logit in spans))


@dataclass(frozen=True, slots=True, eq=False)
class VectorPicker:
    """Picks by words, position and vectors. Implements `contracts.Student`."""

    KIND: ClassVar[str] = "vector-picker"

    model: SentenceModel
    weights: SpanWeights
    confidence: Confidence
    encoder: Encoder

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One answer a query; a blank text gets an empty one with probability 0."""
        shortlists = [self.model.read(query.text) for query in queries]
        vectors = encode_each(self.encoder, shortlists)
        return [self._answer(shortlist, rows) for shortlist, rows in zip(shortlists, vectors, strict=True)]

    def _answer(self, shortlist: Shortlist, vectors: Vectors) -> Prediction:
        again = self.weights.rescore(shortlist, vectors)
        return self.confidence.prediction(again, choose(again.spans, self.model.picking))

    def parts(self) -> Parts:
        """Arrays of all models; `meta` says how it picks and which encoder it needs."""
        arrays: dict[str, NDArray[Any]] = self.model.arrays() | self.confidence.arrays()
        arrays |= {"spans.features": self.weights.features, "spans.vector": self.weights.vector}
        arrays["spans.bias"] = np.array([self.weights.bias])
        return Parts(self.KIND, arrays, {"picking": asdict(self.model.picking), "encoder": self.encoder.name})

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder | None = None) -> Self:
        """What `parts` took apart. Raises `ArtefactError`, also without the encoder that it was fitted with."""
        needed = parts.meta.get("encoder")
        if encoder is None or encoder.name != needed:
            given = "none" if encoder is None else encoder.name
            raise ArtefactError(cls.KIND, f"needs encoder {needed}, given {given}", "Pass that encoder.")
        with taken_apart(parts, cls.KIND):
            arrays: Arrays = parts.arrays
            weights = SpanWeights(arrays["spans.features"], arrays["spans.vector"], float(arrays["spans.bias"][0]))
            return cls(SentenceModel.load(arrays, picking_of(parts)), weights, Confidence.load(arrays), encoder)


def encode_each(encoder: Encoder, shortlists: Sequence[Shortlist]) -> list[Vectors]:
    """The vectors of each shortlist's contexts, all encoded in one call."""
    texts = [contexts(shortlist) for shortlist in shortlists]
    flat = [text for row in texts for text in row]
    vectors = encoder.encode(flat) if flat else np.empty((0, encoder.dim), dtype=np.float32)
    ends = np.cumsum([0, *(len(row) for row in texts)], dtype=np.int64)
    return [vectors[start:end] for start, end in pairwise(ends.tolist())]
