"""Tier 1 of cs_response: the stored reply that the most similar stored conversations agree on.

The nearest conversation's reply alone is often an odd one out. Its neighbours vote: of their replies, the one with
the largest expected agreement with all of them is given (minimum Bayes risk; Kumar & Byrne 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np

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
from routenlp.contracts import Encoder
from routenlp.types import FloatArray, Parts, Prediction, Query

FIELD_WEIGHTS = np.array([1.0, 0.6, 0.2])
"""What last, previous and earlier turns count for. Chosen on rows outside the training fold."""

NEIGHBOURS = 20
TEMPERATURE = 0.3


class Vote(NamedTuple):
    """One election among stored replies."""

    reply: int
    """Its position in the store."""
    features: FloatArray
    """What the confidence is computed from; the last is 1."""


def vote(store: ReplyStore, voters: Indices, similarity: FloatArray) -> Vote:
    """The reply of `voters` with the largest expected agreement; ties go to the nearest.

    `similarity`: of each voter's conversation to the query, largest first.
    """
    weight = softmax(similarity, TEMPERATURE)
    agreement = store.agreement(voters)
    expected = agreement @ weight
    winner = int(expected.argmax())
    features = [
        similarity[0],
        similarity[winner],
        similarity[-1],
        expected[winner],
        np.delete(agreement[winner], winner).max(initial=0.0),
        weight @ expected,
        np.log1p(store.words[voters[winner]]),
        np.log1p(store.words[voters].mean()),
        1.0,
    ]
    return Vote(int(voters[winner]), np.array(features))


@dataclass(frozen=True, slots=True)
class NearestReply:
    """Answers with a stored reply. Its one probability is that the reply is handled (quality >= `handled_at`)."""

    KIND: ClassVar[str] = "nearest-reply"

    store: ReplyStore
    index: ContextIndex
    confidence: FloatArray
    """Logistic weights over `Vote.features`."""
    fallback: Fallback

    def similarity(self, context: Context) -> FloatArray:
        """To every stored conversation: float64 of shape (n,); 0 where nothing is shared."""
        weighted: FloatArray = FIELD_WEIGHTS @ self.index.similarities(context)
        return weighted

    def elect(self, similarity: FloatArray) -> Vote:
        """The vote of the nearest."""
        voters = best(similarity, NEIGHBOURS)
        return vote(self.store, voters, similarity[voters])

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One stored reply a query; the fallback where a text shares nothing with what is stored."""
        return [self._answer(read_context(query.text)) for query in queries]

    def _answer(self, context: Context) -> Prediction:
        similarity = self.similarity(context)
        if not similarity.any():
            return self.fallback.prediction(self.store)
        return self.prediction(self.elect(similarity))

    def prediction(self, elected: Vote) -> Prediction:
        """The elected reply with its probability."""
        p = sigmoid(float(elected.features @ self.confidence))
        return Prediction(self.store.texts[elected.reply], (p,))

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        arrays = self.store.arrays() | self.index.arrays() | {"confidence": self.confidence}
        return Parts(self.KIND, arrays, self.fallback.meta())

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder | None = None) -> Self:
        """Needs no encoder. Raises `ArtefactError` when something is missing."""
        del encoder
        with stored(cls.KIND):
            store = ReplyStore.load(parts.arrays)
            index = ContextIndex.load(parts.arrays, len(store.texts))
            confidence = parts.arrays["confidence"].astype(np.float64)
            return cls(store, index, confidence, Fallback.load(parts.meta))
