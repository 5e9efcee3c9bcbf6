"""Quality estimates: per task and tier, a logistic head on the query's vector, in numpy.

Each head predicts E[quality] of the tier's answer, a number in [0, 1], graded or not. A task that no head was fitted
for has no estimates, which routes to the top tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routenlp.types import FloatArray, Vectors

SURFACE = 4
"""Surface features appended to the encoder's vector: see `surface`."""


def surface(text: str) -> tuple[float, float, float, float]:
    """Length and kind of a text at a glance: ln words, ln characters, share of digits, share of upper case."""
    chars = max(len(text), 1)
    digits = sum(map(str.isdigit, text[:2_000]))
    upper = sum(map(str.isupper, text[:2_000]))
    head = min(chars, 2_000)
    return float(np.log1p(text.count(" "))), float(np.log1p(chars)), digits / head, upper / head


def features(vectors: Vectors, texts: list[str]) -> FloatArray:
    """Encoder vectors with surface features and a constant: float64 of shape (n, dim + 5)."""
    extra = np.array([surface(text) for text in texts], dtype=np.float64).reshape(len(texts), SURFACE)
    return np.concatenate([vectors.astype(np.float64), extra, np.ones((len(texts), 1))], axis=1)


@dataclass(frozen=True, slots=True)
class LinearEstimator:
    """`heads`: by task, weights of shape (tiers, dim + 5)."""

    heads: Mapping[str, FloatArray]

    def estimate(self, task: str, rows: FloatArray) -> FloatArray | None:
        """Expected quality, shape (n, tiers), for `features` rows; None for a task without heads."""
        head = self.heads.get(task)
        if head is None:
            return None
        logits = np.clip(rows @ head.T, -30.0, 30.0)
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))
