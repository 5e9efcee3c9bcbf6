"""Sentence vectors from MiniLM's middle layer: what a router reads of a query where milliseconds are allowed.

The last layer was trained to say what a text is about, whatever it asks; the middle one still tells how it asks it.
docs/decisions/router-bench.md has what that is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from routenlp.backends.encoders.minilm import MiniLM
from routenlp.types import Parts, Vectors


class MiddleLayer:
    """An `Encoder`: the mean over tokens of the middle layer, of length 1. Threads may share one instance."""

    KIND: ClassVar[str] = "encoder/minilm-middle"

    def __init__(self, model: MiniLM) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The model's, and the layer."""
        return f"{self._model.name}/middle"

    @property
    def dim(self) -> int:
        """Of one layer, 384."""
        return self._model.with_pooling(rich=False).dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim)."""
        return self._model.encode_middle(texts)

    def parts(self) -> Parts:
        """Its name alone: the weights lie where all routers share them (`backends.weights`)."""
        return Parts(self.KIND, {}, {"name": self.name})
