"""The encoder without a download: hashed words and pairs of words, tf-idf, projected on the axes of training texts.

`training.text_features` fits it. It needs numpy alone and some 20 microseconds for a short text.
"""

from __future__ import annotations

import hashlib
import math
import re
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
_SHIFT = 32 - HASH_BITS
_TOKEN = re.compile(r"\w+|\S")
_PAIR = 0x9E3779B9
"""Keeps the pair (a, b) apart from the word ab."""
_SCHEME = "crc32 of words and pairs/1"
_ENDS = [1 << 32, (1 << 32) + (1 << _SHIFT)]
"""Hashes of no n-gram: their columns lie beyond all others, and their rows before and behind all others."""


def _hashes(text: str) -> list[int]:
    """Of a text's n-grams, words before pairs, with repetitions; each under 2^32. Empty for a blank text.

    CRC-32 runs in C on whole words: a query of a dozen words takes a third of the time of `ngrams.NgramHasher`, whose
    character n-grams are not needed here.
    """
    tokens = _TOKEN.findall(head_and_tail(text, MOST_CHARS).lower())
    # No token has a blank in it, so all are encoded at once.
    encoded = " ".join(tokens).encode("utf-8", "surrogatepass").split()
    words = [*map(crc32, encoded)]
    return [*words, *map(crc32, encoded[1:], [word ^ _PAIR for word in words])]


def ngram_counts(text: str) -> tuple[NDArray[np.int64], FloatArray]:
    """A text's n-grams as columns under 2^HASH_BITS, rising, and 1 + ln(count) of each. Empty for a blank text."""
    columns, counts = np.unique(np.array(_hashes(text), dtype=np.int64) >> _SHIFT, return_counts=True)
    return columns, 1.0 + np.log(counts)


class HashedEncoder:
    """An `Encoder`. A text without a known n-gram (blank, another script) has zeros. Threads may share one instance."""

    KIND: ClassVar[str] = "encoder/hashed"

    def __init__(self, known: NDArray[np.int32], idf: NDArray[np.float32], axes: NDArray[np.float16]) -> None:
        """`known`: columns of the v n-grams kept, rising; `idf`: shape (v,); `axes`: shape (v, d)."""
        self._known, self._idf, self._axes = known, idf, axes
        self._weighted_axes = idf[:, None] * axes.astype(np.float32)
        self._rarity = idf.astype(np.float64)
        self._frequency = 1.0 + np.log(np.maximum(np.arange(2 * MOST_CHARS + 2), 1))
        self._row_of = _table(known)

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
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            out[i] = self._projected(_hashes(text))
        return out

    def _projected(self, hashes: list[int]) -> Vectors:
        """Shape (dim,). Sums run over rising rows, whatever the order of n-grams in the text."""
        found = self._row_of.take(np.array(hashes + _ENDS, dtype=np.int64) >> _SHIFT)
        found.sort()
        ends = (found[1:] != found[:-1]).nonzero()[0]  # of runs of equal rows; the last, of no row, has none here
        rows, counts = found.take(ends[1:]), ends[1:] - ends[:-1]
        frequency = self._frequency.take(counts)
        weighted = frequency * self._rarity.take(rows)
        shares = frequency.astype(np.float32) / math.sqrt(weighted.dot(weighted))
        return np.asarray(shares.dot(self._weighted_axes.take(rows, axis=0)))

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


def _table(known: NDArray[np.int32]) -> NDArray[np.int32]:
    """The row of each column, rising with it; the number of rows for what is not known. Those of `_ENDS` come last.

    A flat table of 1 MB: a dictionary would look at three or four places in memory for each n-gram.
    """
    table = np.full(2**HASH_BITS + 2, len(known), dtype=np.int32)
    table[known] = np.arange(len(known))
    table[-2] = -1
    return table
