"""The encoder without a download: hashed words and pairs of words, tf-idf, projected on the axes of training texts.

`training.text_features` fits it. It needs numpy alone and some tens of microseconds for a short text.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import ArtefactError
from routenlp.router.reading import MOST_CHARS, head_and_tail
from routenlp.types import FloatArray, Parts, Vectors

HASH_BITS = 18
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PAIR = 0x9E3779B9
"""Keeps the pair (a, b) apart from the word ab."""
_FEW = 60
"""Up to so many n-grams are counted in a dictionary, which is faster; the counts are the same."""
_SCHEME = "crc32 of words and pairs/1"


def ngram_counts(text: str) -> tuple[NDArray[np.int64], FloatArray]:
    """A text's n-grams as columns under 2^HASH_BITS, rising, and 1 + ln(count) of each. Empty for a blank text.

    CRC-32 runs in C on whole words: a query of a dozen words takes a third of the time of `ngrams.NgramHasher`, whose
    character n-grams are not needed here.
    """
    tokens = [
        token.encode("utf-8", "surrogatepass") for token in _TOKEN.findall(head_and_tail(text, MOST_CHARS).lower())
    ]
    hashes = [crc32(token) for token in tokens]
    hashes += [crc32(token, before ^ _PAIR) for token, before in zip(tokens[1:], hashes, strict=False)]
    if len(hashes) > _FEW:
        found, count = np.unique(np.array(hashes, dtype=np.int64) >> (32 - HASH_BITS), return_counts=True)
        return found, 1.0 + np.log(count)
    counted = sorted(Counter([value >> (32 - HASH_BITS) for value in hashes]).items())
    rows = np.array(counted, dtype=np.int64).reshape(len(counted), 2)
    return rows[:, 0], 1.0 + np.log(rows[:, 1])


class HashedEncoder:
    """An `Encoder`. A text without a known n-gram (blank, another script) has zeros. Threads may share one instance."""

    KIND: ClassVar[str] = "encoder/hashed"

    def __init__(self, known: NDArray[np.int32], idf: NDArray[np.float32], axes: NDArray[np.float16]) -> None:
        """`known`: columns of the v n-grams kept, rising; `idf`: shape (v,); `axes`: shape (v, d)."""
        self._known, self._idf, self._axes = known, idf, axes
        self._weighted_axes = idf[:, None] * axes.astype(np.float32)
        self._row_of = np.full(2**HASH_BITS, -1, dtype=np.int32)
        self._row_of[known] = np.arange(len(known), dtype=np.int32)

    @cached_property
    def name(self) -> str:
        """Hash of all that decides the vectors."""
        digest = hashlib.sha256(repr((_SCHEME, HASH_BITS)).encode())
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
            counts = values[hit].astype(np.float32)
            weighted = counts * self._idf[rows]
            norm = np.sqrt(np.dot(weighted, weighted))
            if norm > 0.0:
                out[i] = counts @ self._weighted_axes[rows] / norm
        return out

    def parts(self) -> Parts:
        """For storage: some 8 MB for 30,000 n-grams on 128 axes."""
        arrays: dict[str, NDArray[Any]] = {"known": self._known, "idf": self._idf, "axes": self._axes}
        return Parts(self.KIND, arrays, {"scheme": _SCHEME, "hash_bits": HASH_BITS})

    @classmethod
    def from_parts(cls, parts: Parts) -> HashedEncoder:
        """The inverse of `parts`; raises `ArtefactError` where another version hashed in another way."""
        if parts.meta.get("scheme") != _SCHEME or parts.meta.get("hash_bits") != HASH_BITS:
            raise ArtefactError(
                "encoder", f"hashes n-grams by {parts.meta.get('scheme')}", "Train it again with this version."
            )
        return cls(
            np.asarray(parts.arrays["known"], dtype=np.int32),
            np.asarray(parts.arrays["idf"], dtype=np.float32),
            np.asarray(parts.arrays["axes"], dtype=np.float16),
        )
