"""The verbs: one Protocol a stage. Everything heavy stands behind one of these and is passed in by `wiring`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenlp.types import (
    Answer,
    Call,
    ClusterSpace,
    FloatArray,
    Parts,
    Prediction,
    Query,
    Route,
    Step,
    Stop,
    Vectors,
)


class Encoder(Protocol):
    """Turns texts into vectors. Defined for every `str`: empty, huge, NULs and lone surrogates included."""

    @property
    def name(self) -> str:
        """Changes whenever the vectors would (model hash and settings); part of every cache key."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim). A row depends on its own text only, never on its neighbours."""


class StoredEncoder(Encoder, Protocol):
    """An encoder that a router can be stored with."""

    def parts(self) -> Parts:
        """What `store` writes; `backends.encoders.stored` builds the encoder from it again."""


class TokenEncoder(Encoder, Protocol):
    """An encoder that also gives a vector for every word."""

    @property
    def tokenizer_json(self) -> str:
        """Its tokenizer, as the JSON of the library `tokenizers`: what encoders distilled from it read with."""

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """For each list of words, float32 of shape (len(words), dim). A list depends on itself only."""


class Student(Protocol):
    """A model of one task that the project trained itself."""

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One prediction a query, in order; each with probabilities, so that the paper's u is defined."""

    def parts(self) -> Parts:
        """What `store` writes; `backends.student.registry` builds the student from it again."""


class Backend(Protocol):
    """Answers for one tier."""

    def answer(self, query: Query) -> Answer:
        """Raises `BackendError` when it cannot answer."""


class Estimator(Protocol):
    """What each of K tiers would deliver on a query, quality or cost, before any answer; numpy alone when serving."""

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), for features of shape (n, d) and positions of tasks, shape (n,). Finite for finite features."""

    def parts(self) -> Parts:
        """For storage; `router.estimators` builds it again."""


class Router(Protocol):
    """Chooses the first tier."""

    def route(self, query: Query) -> Route:
        """Never raises on text: an empty one routes to the top tier."""

    def parts(self) -> Parts:
        """For storage and for the policy's version."""


class Scorer(Protocol):
    """Says how uncertain an answer is."""

    def score(self, answer: Answer, route: Route | None = None) -> float | None:
        """In [0, 1], 0 is sure; None when the answer gives nothing to score by. `route`: where it is known."""

    def parts(self) -> Parts:
        """For storage and for the policy's version."""


class StopRule(Protocol):
    """Decides before the first answer and after each one."""

    def threshold(self, task: str, tier: str) -> float | None:
        """The threshold in force, for the record; None where the rule has none."""

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """With no steps: always a Call. Else Stop with one of the steps' answers, or Call of a dearer tier."""

    def parts(self) -> Parts:
        """For storage and for the policy's version."""


class Metric(Protocol):
    """Grades answers of one task."""

    name: str

    def quality(self, answer: str, reference: str) -> float:
        """In [0, 1]; 1 is perfect. Defined for every answer: one that cannot be read has quality 0."""

    def corpus(self, answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """Figures that exist only over many answers (macro-F1, micro-F1), by name; may be empty."""


class Clusterer(Protocol):
    """Finds groups among the failures of one task."""

    def fit(self, vectors: Vectors, *, seed: int) -> ClusterSpace:
        """From vectors of shape (n, d), n at least 1. Deterministic in rows and seed."""


class Probe(Protocol):
    """Says of failures whether a lesson would mend them."""

    def learnable(self, vectors: Vectors, answers: Sequence[str], asked: Vectors, right: Sequence[str]) -> FloatArray:
        """Quality in [0, 1] that a quick fit on the lessons (`vectors`, `answers`) reaches on each row of `asked`,
        whose teacher answers are `right`; a row that is among the lessons is judged without itself. Shape (asked,)."""
