"""Whether lessons would mend a failure: a quick fit on what is known, asked about the failure with itself left out.

Answers that come several times are labels: a kernel ridge on the encoder's vectors says which, in the closed form of
leave-one-out (Rifkin & Klautau 2004). Other answers are texts, and the nearest lesson's is the guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.contracts import Metric
from routenlp.training.linear_fit import gaussian
from routenlp.types import FloatArray, Vectors

MOST_LESSONS = 3_000
"""The newest are taken: the fit's cost grows with their cube."""
LABELS_COME_AT_LEAST = 3.0
"""Times on average; from there on answers are labels."""
_GAMMA, _RIDGE = 0.5, 0.1
_SAME = 1.0 - 1e-6
"""Cosine from which a lesson is the row itself."""


@dataclass(frozen=True, slots=True)
class QuickProbe:
    """A `contracts.Probe` for one task's metric."""

    metric: Metric

    def learnable(self, vectors: Vectors, answers: Sequence[str], asked: Vectors, right: Sequence[str]) -> FloatArray:
        """See `contracts.Probe`. Zeros where there is no lesson to learn from."""
        known, said = _unit(vectors)[-MOST_LESSONS:], list(answers)[-MOST_LESSONS:]
        if not said or not len(asked):
            return np.zeros(len(asked))
        rows = _unit(asked)
        guess = _by_label if len(said) >= LABELS_COME_AT_LEAST * len(Counter(said)) else _by_neighbour
        guessed = guess(known, said, rows)
        return np.array([self.metric.quality(g, r) for g, r in zip(guessed, right, strict=True)])


def _unit(vectors: Vectors) -> Vectors:
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, np.float32(1e-12)), dtype=np.float32)


def _by_neighbour(known: Vectors, said: Sequence[str], rows: Vectors) -> list[str]:
    cosine = rows @ known.T
    cosine[cosine >= _SAME] = -2.0
    return [said[i] for i in cosine.argmax(axis=1)]


def _by_label(known: Vectors, said: Sequence[str], rows: Vectors) -> list[str]:
    labels = sorted(set(said))
    code = {label: i for i, label in enumerate(labels)}
    targets = np.eye(len(labels), dtype=np.float32)[[code[s] for s in said]]
    mean = targets.mean(axis=0)
    gram = gaussian(known, known, _GAMMA).astype(np.float64)
    gram[np.diag_indices_from(gram)] += _RIDGE
    inverse = np.linalg.inv(gram)
    duals = inverse @ (targets - mean)
    across = gaussian(rows, known, _GAMMA).astype(np.float64)
    scores = across @ duals + mean
    cosine = rows @ known.T
    for i in np.flatnonzero(cosine.max(axis=1) >= _SAME):
        j = int(cosine[i].argmax())
        scores[i] = targets[j] - duals[j] / inverse[j, j]  # what the fit without lesson j says of it
    return [labels[i] for i in scores.argmax(axis=1)]
