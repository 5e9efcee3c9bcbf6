"""The encoder without a download: hashed words and pairs of words, tf-idf, projected on the axes of training texts.

`training.text_features` fits it. It needs numpy alone and some tens of microseconds for a short text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.ngrams import NgramHasher
from routenlp.errors import ArtefactError
from routenlp.types import FloatArray, Parts, Vectors

HASHER = NgramHasher(words=(1, 2), chars=(), max_chars=4_000)
HASH_BITS = 18


def ngram_counts(text: str) -> tuple[NDArray[np.int64], FloatArray]:
    """A text's n-grams as columns under 2^HASH_BITS, rising, and 1 + ln(count) of each. Empty for a blank text."""
    found, count = np.unique(HASHER.hashes(text) >> np.uint32(32 - HASH_BITS), return_counts=True)
    return found.astype(np.int64), 1.0 + np.log(count)


class HashedEncoder:
    """An `Encoder`. A text without a known n-gram (blank, another script) has zeros. Threads may share one instance."""

    KIND: ClassVar[str] = "encoder/hashed"

    def __init__(self, known: NDArray[np.int32], idf: NDArray[np.float32], axes: NDArray[np.float16]) -> None:
        """`known`: columns of the v n-grams kept, rising; `idf`: shape (v,); `axes`: shape (v, d)."""
        self._known, self._idf, self._axes = known, idf, axes
        self._row_of = np.full(2**HASH_BITS, -1, dtype=np.int32)
        self._row_of[known] = np.arange(len(known), dtype=np.int32)

    @cached_property
    def name(self) -> str:
        """Hash of all that decides the vectors."""
        digest = hashlib.sha256(repr((HASHER, HASH_BITS)).encode())
        for array in (self._known, self._idf, self._axes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"hashed/{digest.hexdigest()[:16]}"

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self._axes.shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim): the projection of a row of tf-idf of length 1."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            columns, values = ngram_counts(text)
            rows = self._row_of[columns]
            hit = rows >= 0
            rows = rows[hit]
            weighted = values[hit].astype(np.float32) * self._idf[rows]
            norm = float(np.sqrt(np.dot(weighted, weighted)))
            if norm > 0.0:
                out[i] = (weighted / np.float32(norm)) @ self._axes[rows].astype(np.float32)
        return out

    def parts(self) -> Parts:
        """For storage: some 8 MB for 30,000 n-grams on 128 axes."""
        arrays: dict[str, NDArray[Any]] = {"known": self._known, "idf": self._idf, "axes": self._axes}
        return Parts(self.KIND, arrays, {"hasher": repr(HASHER), "hash_bits": HASH_BITS})

    @classmethod
    def from_parts(cls, parts: Parts) -> HashedEncoder:
        """The inverse of `parts`; raises `ArtefactError` where another version hashed in another way."""
        if parts.meta.get("hasher") != repr(HASHER) or parts.meta.get("hash_bits") != HASH_BITS:
            raise ArtefactError(
                "encoder", f"hashes n-grams as {parts.meta.get('hasher')}", "Train it again with this version."
            )
        return cls(
            np.asarray(parts.arrays["known"], dtype=np.int32),
            np.asarray(parts.arrays["idf"], dtype=np.float32),
            np.asarray(parts.arrays["axes"], dtype=np.float16),
        )
