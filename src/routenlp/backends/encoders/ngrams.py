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


def _finish(salted: NDArray[np.uint64]) -> Hashes:
    mixed = salted * _MIX
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
        codes = _codes(" " + " ".join(tokens) + " ")
        salted = _windows(codes, self.chars, salt=0)
        if self.words:
            salted += _windows(_word_ids(codes), self.words, salt=1000)
        return _finish(np.concatenate(salted)) if salted else np.empty(0, dtype=np.uint32)


def _windows(symbols: NDArray[np.uint64], sizes: Sequence[int], salt: int) -> list[NDArray[np.uint64]]:
    """Salted polynomial hashes of every window of each size; a window is one step on from the next shorter one."""
    out: list[NDArray[np.uint64]] = []
    digits = symbols + np.uint64(1)
    hashes = digits
    for n in range(1, min(max(sizes, default=0), len(symbols)) + 1):
        if n > 1:
            hashes = hashes[:-1] * _PRIME
            hashes += digits[n - 1 :]
        if n in sizes:
            out.append(hashes ^ np.uint64(salt + n))
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
