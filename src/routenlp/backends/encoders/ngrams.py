"""Hashed word and character n-grams: text to sparse counts in microseconds, with no vocabulary to download.

Hashing is a polynomial over code points, vectorised in numpy, so that a row costs a handful of array
operations whatever its length. A `NgramVocabulary` keeps only the hashes that training saw often enough,
each with its inverse document frequency, so that weight tables stay small and collisions rare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+|[^\w\s]")
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)

Hashes = NDArray[np.uint32]


def _finish(hashes: NDArray[np.uint64], salt: int) -> Hashes:
    mixed = (hashes ^ np.uint64(salt)) * _MIX
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(16)).astype(np.uint32)


def _codes(text: str) -> NDArray[np.uint64]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class NgramHasher:
    """Which n-grams are taken. Text is lower-cased; all white space counts as one blank."""

    words: tuple[int, ...] = (1, 2)
    chars: tuple[int, ...] = (2, 3, 4, 5)
    max_chars: int = 8_192
    """Longer texts are cut to their head and tail, half each."""

    def hashes(self, text: str) -> Hashes:
        """All n-grams of `text`, with repetitions, as 32-bit hashes. Empty for a blank text."""
        if len(text) > self.max_chars:
            half = self.max_chars // 2
            text = text[:half] + " " + text[-half:]
        tokens = _WORD.findall(text.lower())
        if not tokens:
            return np.empty(0, dtype=np.uint32)
        parts: list[Hashes] = []
        joined = " " + " ".join(tokens) + " "
        codes = _codes(joined)
        for n in self.chars:
            parts.append(_finish(_rolling(codes, n), salt=n))
        if self.words:
            ids = _word_ids(codes)
            for n in self.words:
                parts.append(_finish(_rolling(ids, n), salt=1000 + n))
        return np.concatenate(parts)


def _rolling(codes: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """Polynomial hash of every window of length n; empty when the input is shorter."""
    length = len(codes) - n + 1
    if length <= 0:
        return np.empty(0, dtype=np.uint64)
    out = np.zeros(length, dtype=np.uint64)
    for j in range(n):
        out *= _PRIME
        out += codes[j : j + length] + np.uint64(1)
    return out


def _word_ids(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash a word, from the codes of ' word word ... '. Position-weighted sums, so no Python loop."""
    blank = codes == 32
    starts = np.flatnonzero(blank)[:-1]
    word_of = np.cumsum(blank) - 1
    offset = (np.arange(len(codes)) - starts[np.minimum(word_of, len(starts) - 1)]).astype(np.uint64)
    mixed = (codes + np.uint64(1)) * _PRIME
    mixed ^= mixed >> np.uint64(29)
    mixed *= offset * np.uint64(2) + np.uint64(0x632BE59BD9B4E019)
    mixed[blank] = 0
    return np.add.reduceat(mixed, starts)


@dataclass(frozen=True, slots=True)
class NgramVocabulary:
    """The n-grams that a model knows, and how rare each is.

    `known`: sorted uint32, shape (v,). `idf`: float32, shape (v,).
    """

    hasher: NgramHasher
    known: Hashes
    idf: NDArray[np.float32]

    def row(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Columns and values of one L2-normalised tf-idf row (tf is 1 + ln count). Both empty if nothing is known."""
        hashes, counts = np.unique(self.hasher.hashes(text), return_counts=True)
        at = np.searchsorted(self.known, hashes)
        hit = at < len(self.known)
        hit[hit] = self.known[at[hit]] == hashes[hit]
        columns = at[hit]
        values = (1.0 + np.log(counts[hit])).astype(np.float32) * self.idf[columns]
        norm = float(np.sqrt(np.dot(values, values)))
        return columns, values / np.float32(norm) if norm > 0.0 else values


def learn_vocabulary(texts: Sequence[str], hasher: NgramHasher, *, min_rows: int, max_size: int) -> NgramVocabulary:
    """n-grams that occur in at least `min_rows` texts, the `max_size` most frequent; idf is ln((1+n)/(1+df)) + 1."""
    rows = [np.unique(hasher.hashes(text)) for text in texts]
    everything = np.concatenate(rows) if rows else np.empty(0, dtype=np.uint32)
    known, df = np.unique(everything, return_counts=True)
    keep = df >= min_rows
    if int(keep.sum()) > max_size:
        floor = np.sort(df[keep])[-max_size]
        keep &= df > floor if int((df > floor).sum()) > 0 else df >= floor
    known, df = known[keep], df[keep]
    idf = np.log((1.0 + len(texts)) / (1.0 + df)) + 1.0
    return NgramVocabulary(hasher, known, idf.astype(np.float32))
