"""An encoder for two readers of one query, the task classifier and then the router: what the first read is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from routenlp.contracts import Encoder
from routenlp.types import Vectors

MOST = 256
"""Texts kept: more than the queries that are between their classification and their routing."""


class LastTexts:
    """`Encoder` around another, for the second reader: a text that `first` has just read is not encoded again.

    For one thread. Texts that `first` never saw, such as those of queries with a tag, cost one look into a dictionary.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def name(self) -> str:
        """The inner one's: the vectors are."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The inner one's."""
        return self._encoder.dim

    @property
    def first(self) -> FirstReader:
        """The same for the first reader."""
        return FirstReader(self._encoder, self._kept)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim)."""
        found = self._kept.pop(texts[0], None) if len(texts) == 1 else None
        return self._encoder.encode(texts) if found is None else found


class FirstReader:
    """`Encoder` that keeps the vectors of single texts until they are read once more, or many others were read."""

    def __init__(self, encoder: Encoder, kept: OrderedDict[str, Vectors]) -> None:
        self._encoder = encoder
        self._kept = kept

    @property
    def name(self) -> str:
        """The inner one's: the vectors are."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """The inner one's."""
        return self._encoder.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim); not to be written to."""
        vectors = self._encoder.encode(texts)
        if len(texts) == 1:
            vectors.flags.writeable = False
            self._kept[texts[0]] = vectors
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return vectors
