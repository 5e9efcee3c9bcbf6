"""What an answer is worth, estimated without a reference: ridge regression on what is asked and what was written.

For texts, which no two people write alike. It is only as good as its agreement with the metric that it was fitted to,
which has to be reported wherever it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Encoder
from routenlp.grading.rouge import rouge_tokens
from routenlp.router.reading import reading
from routenlp.router.ridge import RidgeEstimates
from routenlp.scoring.features import uncertainties
from routenlp.training.ridge_fit import fit_ridge
from routenlp.types import Answer, FloatArray, Query

PLAIN = 7
_SCALE = 0.1
"""Of the standardised columns, so that the penalties that `fit_ridge` tries suit hundreds of them."""


@dataclass(frozen=True, slots=True, eq=False)
class QualityEstimate:
    """A fitted estimate of one task, for the answers of any tier."""

    encoder: Encoder
    centre: FloatArray
    """Of each column: what a missing value counts as."""
    scale: FloatArray
    """Positive."""
    ridge: RidgeEstimates

    def of(self, queries: Sequence[Query], answers: Sequence[Answer]) -> FloatArray:
        """Expected quality in [0, 1] of each answer, shape (n,)."""
        z = _standard(columns(self.encoder, queries, answers), self.centre, self.scale)
        return np.asarray(self.ridge.estimate(z, np.zeros(len(z), dtype=np.int64))[:, 0])


def fit_quality_estimate(
    encoder: Encoder,
    queries: Sequence[Query],
    answers: Sequence[Answer],
    quality: FloatArray,
    groups: NDArray[np.int64],
    *,
    seed: int,
) -> QualityEstimate:
    """From graded answers, `quality` and `groups` of shape (n,). Raises `TrainingError` where they are too few."""
    x = columns(encoder, queries, answers)
    centre = np.nan_to_num(np.nanmean(x, axis=0)) if len(x) else np.zeros(x.shape[1])
    spread = np.nanstd(x, axis=0) if len(x) else np.ones(x.shape[1])
    scale = np.where(spread > 0.0, spread, 1.0)
    none = np.zeros(len(x), dtype=np.int64)
    z = _standard(x, centre, scale)
    fitted = fit_ridge(z, none, quality[:, None], groups, tasks=1, seed=seed, low=np.zeros(1), high=np.ones(1))
    return QualityEstimate(encoder, centre, scale, fitted.model)


def columns(encoder: Encoder, queries: Sequence[Query], answers: Sequence[Answer]) -> FloatArray:
    """Shape (n, 8 + 2d): likeness of answer and query, ln length, words shared, words that differ, whether it asks
    back, three uncertainties (NaN without probabilities), the answer's vector, and its product with the query's.
    """
    asked = [reading(query) for query in queries]
    read, said = encoder.encode(asked), encoder.encode([answer.text for answer in answers])
    both = read * said
    plain = np.array([_plain(text, answer) for text, answer in zip(asked, answers, strict=True)])
    plain = plain.reshape(len(answers), PLAIN)
    return np.concatenate([both.sum(axis=1, keepdims=True), plain, said, both], axis=1, dtype=np.float64)


def _plain(asked: str, answer: Answer) -> tuple[float, ...]:
    said, known = rouge_tokens(answer.text), set(rouge_tokens(asked))
    size = max(len(said), 1)
    shared, distinct = sum(word in known for word in said) / size, len(set(said)) / size
    asks_back = float(answer.text.rstrip().endswith("?"))
    return (float(np.log1p(len(said))), shared, distinct, asks_back, *uncertainties(answer.token_probs))


def _standard(x: FloatArray, centre: FloatArray, scale: FloatArray) -> NDArray[np.float32]:
    z = (x - centre) / scale * _SCALE
    z[np.isnan(z)] = 0.0
    return z.astype(np.float32)
