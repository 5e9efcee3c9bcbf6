"""Which task a query without a tag belongs to: a softmax over the encoder's vector, and two lines that were proved.

    p = softmax(W' v + b)      assigned: the likeliest task, where p >= `sure_from` and v is near its centre
                               plausible: every task t with p_t >= `plausible_from[t]`

`sure_from` bounds how often an assignment is wrong, `plausible_from` how often the true task is not even plausible
(`replay.task_training`). Unsure means no task. A text that the encoder knows nothing of may be of any task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from routenlp.router.vectors import unit_rows
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True)
class TaskGuess:
    """What the classifier says of one query."""

    task: str | None
    """None: not sure enough."""
    likeliest: str
    confidence: float
    """Of the likeliest, in [0, 1]."""
    plausible: tuple[str, ...]
    """Tasks that it may well be."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskClassifier:
    """Over T tasks and vectors of width d."""

    tasks: tuple[str, ...]
    weights: Vectors
    """Shape (d, T)."""
    bias: FloatArray
    """Shape (T,)."""
    centres: Vectors
    """Of each task's training vectors, of unit length, shape (d, T)."""
    near_from: FloatArray
    """Cosine to its task's centre under which a query is unlike what that task was trained on, shape (T,)."""
    along_from: FloatArray
    """How far along that centre it must lie too, shape (T,): texts of which the encoder knows little are short."""
    sure_from: float | None
    """Confidence from which a task is assigned; None: never."""
    plausible_from: FloatArray
    """Shape (T,); 0 where too few rows were there to rule the task out."""

    KIND: ClassVar[str] = "router/task_classifier"

    def guess(self, vector: Vectors) -> TaskGuess:
        """Of one query, shape (d,)."""
        if not vector.any():
            return TaskGuess(None, self.tasks[0], 0.0, self.tasks)
        p = self.probabilities(vector[None, :])[0]
        best = int(p.argmax())
        confidence = float(p[best])
        sure = self.sure_from is not None and confidence >= self.sure_from
        near = sure and bool(self.near(vector[None, :])[0, best] >= 0.0)
        plausible = tuple(self.tasks[t] for t in np.flatnonzero(p >= self.plausible_from).tolist())
        return TaskGuess(self.tasks[best] if near else None, self.tasks[best], confidence, plausible)

    def probabilities(self, vectors: Vectors) -> FloatArray:
        """Shape (n, T), rows summing to 1."""
        z = vectors @ self.weights + self.bias
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        return np.asarray(p / p.sum(axis=1, keepdims=True), dtype=np.float64)

    def near(self, vectors: Vectors) -> FloatArray:
        """What is left over `near_from` and `along_from`, the lesser of the two, shape (n, T): 0 or more is near."""
        cosine, along = unit_rows(vectors) @ self.centres, vectors @ self.centres
        return np.asarray(np.minimum(cosine - self.near_from, along - self.along_from), dtype=np.float64)

    def parts(self) -> Parts:
        """For storage."""
        arrays = {
            name: getattr(self, name)
            for name in ("weights", "bias", "centres", "near_from", "along_from", "plausible_from")
        }
        return Parts(self.KIND, arrays, {"tasks": list(self.tasks), "sure_from": self.sure_from})

    @classmethod
    def from_parts(cls, parts: Parts) -> TaskClassifier:
        """The inverse of `parts`; raises `KeyError` where one is missing."""
        meta, arrays = cast("Mapping[str, Any]", parts.meta), cast("Mapping[str, Any]", parts.arrays)
        return cls(
            tuple(meta["tasks"]),
            np.asarray(arrays["weights"], dtype=np.float32),
            np.asarray(arrays["bias"], dtype=np.float64),
            np.asarray(arrays["centres"], dtype=np.float32),
            np.asarray(arrays["near_from"], dtype=np.float64),
            np.asarray(arrays["along_from"], dtype=np.float64),
            None if meta["sure_from"] is None else float(meta["sure_from"]),
            np.asarray(arrays["plausible_from"], dtype=np.float64),
        )
