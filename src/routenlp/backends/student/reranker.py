"""Tier 2 of cs_response: candidates by encoder and n-grams together, then a linear reranker.

Two vectors a conversation, of the whole and of its last turn, join the lexical similarity of tier 1. The nearest
conversations' replies are the candidates; each is described by how much the others agree with it under several
ways of weighting them, by its own similarities and by its length, and the largest predicted ROUGE-L wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.replies import (
    Context,
    ContextIndex,
    Fallback,
    Indices,
    ReplyStore,
    best,
    read_context,
    sigmoid,
    softmax,
    stored,
)
from routenlp.backends.student.retriever import FIELD_WEIGHTS
from routenlp.contracts import Encoder
from routenlp.errors import ArtefactError
from routenlp.types import FloatArray, Parts, Prediction, Query, Vectors

CANDIDATES = 80
LEXICAL_WEIGHT = 0.6
"""Of n-grams beside the two cosines. Chosen on rows outside the training fold."""

_TEMPERATURES = (0.15, 0.3, 0.6)
_LEXICAL_TEMPERATURE = 0.2


class ContextVectors(NamedTuple):
    """Encoded conversations: vectors of length 1, float16, shape (n, dim) each."""

    whole: NDArray[np.float16]
    last: NDArray[np.float16]

    def row(self, i: int) -> tuple[Vectors, Vectors]:
        """Both vectors of one conversation, as they are compared."""
        return self.whole[i].astype(np.float32), self.last[i].astype(np.float32)


def encode_contexts(texts: Sequence[str], contexts: Sequence[Context], encoder: Encoder) -> ContextVectors:
    """Rounded to float16, so that what is fitted is what is stored and what is asked."""
    return ContextVectors(
        encoder.encode(texts).astype(np.float16), encoder.encode([c.last for c in contexts]).astype(np.float16)
    )


class Similarity(NamedTuple):
    """Of one query to every stored conversation, float64 of shape (n,) each."""

    lexical: FloatArray
    whole: FloatArray
    last: FloatArray

    @property
    def joint(self) -> FloatArray:
        """What candidates are chosen by."""
        return self.whole + self.last + LEXICAL_WEIGHT * self.lexical


class Candidates(NamedTuple):
    """Stored replies that may be given, nearest first, with a row of features each."""

    replies: Indices
    features: FloatArray
    """Shape (k, f): see `describe`."""


def describe(store: ReplyStore, candidates: Indices, similarity: Similarity) -> Candidates:
    """What the reranker sees of each candidate."""
    joint, lexical = similarity.joint[candidates], similarity.lexical[candidates]
    agreement = store.agreement(candidates)
    length = np.log1p(store.words[candidates])
    columns = [agreement @ softmax(joint, t) for t in _TEMPERATURES]
    columns += [
        agreement @ softmax(lexical, _LEXICAL_TEMPERATURE),
        (agreement - np.eye(len(candidates))).max(axis=1),
        joint,
        lexical,
        similarity.whole[candidates],
        length,
        np.abs(length - softmax(joint, _TEMPERATURES[1]) @ length),
    ]
    return Candidates(candidates, np.stack(columns, axis=1).astype(np.float64))


@dataclass(frozen=True, slots=True)
class Reranker:
    """Linear weights over `Candidates.features`, and logistic ones over what is known of the winner."""

    weights: FloatArray
    confidence: FloatArray

    def choose(self, candidates: Candidates) -> tuple[int, FloatArray]:
        """Row of the winner, and the features of the confidence: last is 1. Ties go to the nearest."""
        scores = candidates.features @ self.weights
        winner = int(scores.argmax())
        nearest, mean = candidates.features[0], candidates.features.mean(axis=0)
        return winner, np.concatenate((candidates.features[winner], nearest, mean, [1.0]))


@dataclass(frozen=True, slots=True)
class RerankedReply:
    """Answers with a stored reply. Its one probability is that the reply is handled (quality >= `handled_at`)."""

    KIND: ClassVar[str] = "reranked-reply"

    store: ReplyStore
    index: ContextIndex
    whole: Vectors
    last: Vectors
    reranker: Reranker
    fallback: Fallback
    encoder: Encoder

    def similarity(self, context: Context, whole: Vectors, last: Vectors) -> Similarity:
        """`whole`, `last`: the query's vectors, as `ContextVectors.row` gives them."""
        return Similarity(
            FIELD_WEIGHTS @ self.index.similarities(context),
            (self.whole @ whole).astype(np.float64),
            (self.last @ last).astype(np.float64),
        )

    def candidates(self, similarity: Similarity) -> Candidates:
        """The nearest by joint similarity."""
        return describe(self.store, best(similarity.joint, CANDIDATES), similarity)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One stored reply a query; the fallback where a text has no word."""
        contexts = [read_context(query.text) for query in queries]
        vectors = encode_contexts([query.text for query in queries], contexts, self.encoder)
        return [self._answer(context, *vectors.row(i)) for i, context in enumerate(contexts)]

    def _answer(self, context: Context, whole: Vectors, last: Vectors) -> Prediction:
        if not any(turn.strip("\0 \n\t") for turn in context):
            return self.fallback.prediction(self.store)
        return self.prediction(self.candidates(self.similarity(context, whole, last)))

    def prediction(self, candidates: Candidates) -> Prediction:
        """The reply that the reranker chooses, with its probability."""
        winner, features = self.reranker.choose(candidates)
        p = sigmoid(float(features @ self.reranker.confidence))
        return Prediction(self.store.texts[int(candidates.replies[winner])], (p,))

    def parts(self) -> Parts:
        """All that `from_parts` needs, but the encoder."""
        own: dict[str, NDArray[Any]] = {
            "whole": self.whole.astype(np.float16),
            "last": self.last.astype(np.float16),
            "reranker.weights": self.reranker.weights,
            "reranker.confidence": self.reranker.confidence,
        }
        meta = self.fallback.meta() | {"encoder": self.encoder.name}
        return Parts(self.KIND, self.store.arrays() | self.index.arrays() | own, meta)

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder | None = None) -> Self:
        """Raises `ArtefactError` when something is missing, or the encoder is not the one that it was fitted on."""
        wanted, given = parts.meta.get("encoder"), encoder.name if encoder else None
        if encoder is None or wanted != given:
            problem = f"fitted on the vectors of {wanted!r}, not of {given!r}"
            raise ArtefactError(cls.KIND, problem, "Pass that encoder, or train the student again")
        arrays = parts.arrays
        with stored(cls.KIND):
            store = ReplyStore.load(arrays)
            index = ContextIndex.load(arrays, len(store.texts))
            whole, last = arrays["whole"].astype(np.float32), arrays["last"].astype(np.float32)
            weights, confidence = arrays["reranker.weights"], arrays["reranker.confidence"]
            reranker = Reranker(weights.astype(np.float64), confidence.astype(np.float64))
            return cls(store, index, whole, last, reranker, Fallback.load(parts.meta), encoder)
