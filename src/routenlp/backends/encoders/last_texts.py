"""An encoder that remembers the last texts, for two readers of one query: the task classifier, then the router."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from routenlp.contracts import Encoder
from routenlp.types import Vectors

MOST = 256
"""Texts remembered: more than the queries that are between their classification and their routing."""


class LastTexts:
    """`Encoder` around another: the same vectors. For one thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def name(self) -> str:
        """The inner one's: the vectors are."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The inner one's."""
        return self._encoder.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim). Only single texts are remembered, and each is handed out once more."""
        if len(texts) != 1:
            return self._encoder.encode(texts)
        text = texts[0]
        found = self._vectors.pop(text, None)
        if found is not None:
            return found
        vectors = self._encoder.encode(texts)
        vectors.flags.writeable = False
        self._vectors[text] = vectors
        if len(self._vectors) > MOST:
            self._vectors.popitem(last=False)
        return np.asarray(vectors, dtype=np.float32)
