"""A small real encoder for contract tests: counts of letters. Needs no weights; a row depends on its text only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.types import Vectors


@dataclass(frozen=True)
class LetterCounts:
    """Square roots of letter counts, of length 1 where there is a letter."""

    name: str = "letters/1"
    dim: int = 27

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [[text.lower().count(chr(97 + i)) for i in range(26)] + [1.0] for text in texts]
        vectors = np.sqrt(np.array(rows, dtype=np.float32).reshape(len(texts), 27))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        return [self.encode(words) for words in sentences]

    @property
    def tokenizer_json(self) -> str:
        return "{}"
