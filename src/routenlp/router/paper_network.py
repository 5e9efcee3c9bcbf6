"""The paper's network in serving: [CLS] vector beside a task embedding, a head for each task, K logits; in numpy.

The encoder stands apart (`backends.encoders.cls_token`). `training.paper_network` fits both; nothing here needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class PaperNetwork:
    """Logits z = head_t . [(features - centre) / scale, embedding_t] + bias_t; the last head is for unknown tasks."""

    centre: Vectors
    scale: Vectors
    """Shape (d,)."""
    embedding: Vectors
    """Shape (tasks + 1, e); e is 0 without task embedding."""
    weights: Vectors
    """Shape (tasks + 1, d + e, K)."""
    bias: Vectors
    """Shape (tasks + 1, K)."""
    low: FloatArray
    high: FloatArray
    """Shape (K,)."""
    graded: bool
    """How logits are read: fitted on quality (sigmoid), or on the cheapest tier that will do (softmax)."""

    KIND: ClassVar[str] = "router/paper_network"
    ARRAYS: ClassVar[tuple[str, ...]] = ("centre", "scale", "embedding", "weights", "bias", "low", "high")

    def logits(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), for features float32 (n, d) and tasks' positions (n,)."""
        unknown = len(self.bias) - 1
        head = np.where((task >= 0) & (task < unknown), task, unknown)
        d = features.shape[1]
        x = (features - self.centre) / self.scale
        shift = (self.embedding[:, None, :] @ self.weights[:, d:])[:, 0] + self.bias
        out = np.empty((len(task), self.bias.shape[1]))
        for t in np.unique(head):
            rows = head == t
            out[rows] = x[rows] @ self.weights[t, :d] + shift[t]
        return out

    def probabilities(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """The softmax over tiers, shape (n, K): in the paper's mode, that a tier is the cheapest that will do."""
        return softmax(self.logits(features, task))

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K), within [low, high]; see `qualities`."""
        return np.clip(qualities(self.logits(features, task), graded=self.graded), self.low, self.high)

    def parts(self) -> Parts:
        """For storage."""
        return Parts(self.KIND, {name: getattr(self, name) for name in self.ARRAYS}, {"graded": self.graded})

    @classmethod
    def from_parts(cls, parts: Parts) -> PaperNetwork:
        """The inverse of `parts`."""
        centre, scale, embedding, weights, bias = (
            np.asarray(parts.arrays[name], dtype=np.float32) for name in cls.ARRAYS[:5]
        )
        low, high = (np.asarray(parts.arrays[name], dtype=np.float64) for name in cls.ARRAYS[5:])
        return cls(centre, scale, embedding, weights, bias, low, high, bool(parts.meta["graded"]))


def qualities(logits: FloatArray, *, graded: bool) -> FloatArray:
    """Logits (n, K) as what each tier is expected to deliver, in [0, 1].

    `graded`: the sigmoid of each. Else the sum of the softmax up to the tier, cheapest first: the chance that the tier
    will do, where a dearer one does whenever a cheaper one does; the top tier is 1 by that.
    """
    if graded:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))))
    return np.asarray(np.minimum(np.cumsum(softmax(logits), axis=1), 1.0))


def softmax(logits: FloatArray) -> FloatArray:
    """Along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
