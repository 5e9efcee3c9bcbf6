"""The encoder without a download: hashed words and pairs of words, tf-idf, projected on the axes of training texts.

`training.text_features` fits it. It needs numpy alone and some tens of microseconds for a short text.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import ArtefactError
from routenlp.router.reading import MOST_CHARS, head_and_tail
from routenlp.types import FloatArray, Parts, Vectors

HASH_BITS = 18
_SHIFT = 32 - HASH_BITS
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PAIR = 0x9E3779B9
"""Keeps the pair (a, b) apart from the word ab."""
_SCHEME = "crc32 of words and pairs/1"


def _columns(text: str) -> list[int]:
    """A text's n-grams in order, with repetitions, as columns under 2^HASH_BITS. Empty for a blank text.

    CRC-32 runs in C on whole words: a query of a dozen words takes a third of the time of `ngrams.NgramHasher`, whose
    character n-grams are not needed here.
    """
    tokens = _TOKEN.findall(head_and_tail(text, MOST_CHARS).lower())
    # No token has a blank in it, so all are encoded at once.
    encoded = " ".join(tokens).encode("utf-8", "surrogatepass").split()
    words = [crc32(token) for token in encoded]
    pairs = [crc32(token, before ^ _PAIR) >> _SHIFT for token, before in zip(encoded[1:], words, strict=False)]
    return [word >> _SHIFT for word in words] + pairs


def ngram_counts(text: str) -> tuple[NDArray[np.int64], FloatArray]:
    """A text's n-grams as columns, rising, and 1 + ln(count) of each. Empty for a blank text."""
    counted = Counter(_columns(text))
    found = sorted(counted)
    return np.array(found, dtype=np.int64), 1.0 + np.log(
        np.array([counted[column] for column in found], dtype=np.int64)
    )


class HashedEncoder:
    """An `Encoder`. A text without a known n-gram (blank, another script) has zeros. Threads may share one instance."""

    KIND: ClassVar[str] = "encoder/hashed"

    def __init__(self, known: NDArray[np.int32], idf: NDArray[np.float32], axes: NDArray[np.float16]) -> None:
        """`known`: columns of the v n-grams kept, rising; `idf`: shape (v,); `axes`: shape (v, d)."""
        self._known, self._idf, self._axes = known, idf, axes
        self._weighted_axes = idf[:, None] * axes.astype(np.float32)
        self._frequency = [0.0, *(1.0 + math.log(count) for count in range(1, 2 * MOST_CHARS + 2))]
        self._idf_squared: list[float] = (idf.astype(np.float64) ** 2).tolist()
        self._row_of = dict(zip(known.tolist(), range(len(known)), strict=True))

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
            counted: dict[int, int] = {}
            for row in map(self._row_of.get, _columns(text)):
                if row is not None:
                    counted[row] = counted.get(row, 0) + 1
            if counted:
                out[i] = self._projected(counted)
        return out

    def _projected(self, counted: Mapping[int, int]) -> Vectors:
        """`counted`: by row of the axes, how often its n-gram occurs. Sums run over rising rows, whatever the text.

        Of some tens of numbers, Python makes less than as many calls of numpy would cost.
        """
        rows = sorted(counted)
        frequency = [self._frequency[counted[row]] for row in rows]
        squared = math.fsum([f * f * self._idf_squared[row] for f, row in zip(frequency, rows, strict=True)])
        shares = np.array(frequency, dtype=np.float32) / math.sqrt(squared)
        return np.asarray(shares @ self._weighted_axes.take(rows, axis=0))

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
