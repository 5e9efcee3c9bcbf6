"""How alike texts are by shared runs of words: MinHash (Broder 1997) finds pairs, exact Jaccard judges them.

Signatures are cut into 32 bands of 4: a pair at Jaccard 0.8 shares no band with probability (1 - 0.8^4)^32 < 1e-7.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHINGLE_WORDS = 3
_HASHES, _BANDS = 128, 32
_PRIME = np.uint64((1 << 31) - 1)
_WORD = re.compile(r"\w+")


def _constants() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    drawn = np.random.Generator(np.random.PCG64(20_260_423)).integers(1, int(_PRIME), size=(2, _HASHES))
    factors, offsets = drawn.astype(np.uint64)
    return factors, offsets


@dataclass(frozen=True, slots=True, eq=False)
class Shingled:
    """Texts as sets of hashed runs of words, with signatures of shape (n, 128)."""

    sets: tuple[frozenset[int], ...]
    signatures: NDArray[np.uint64]


def shingle(texts: Sequence[str]) -> Shingled:
    """Runs of 3 words, case aside; of a shorter text the whole. A text without words is an empty set, like nothing."""
    factors, offsets = _constants()
    sets = tuple(_runs(text) for text in texts)
    signatures = np.full((len(texts), _HASHES), _PRIME, dtype=np.uint64)
    for i, found in enumerate(sets):
        if found:
            values = np.fromiter(found, dtype=np.uint64, count=len(found))[:, None]
            signatures[i] = ((values * factors + offsets) % _PRIME).min(axis=0)
    return Shingled(sets, signatures)


def _runs(text: str) -> frozenset[int]:
    words = [w.lower() for w in _WORD.findall(text)]
    if not words:
        return frozenset()
    width = min(SHINGLE_WORDS, len(words))
    runs = (" ".join(words[i : i + width]) for i in range(len(words) - width + 1))
    return frozenset(zlib.crc32(run.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF for run in runs)


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Positions in the first and the second list of texts, and their exact Jaccard similarity."""

    first: int
    second: int
    jaccard: float


def alike(first: Shingled, second: Shingled, *, least: float) -> Iterator[AlikePair]:
    """Pairs of a text of `first` and one of `second` with Jaccard similarity >= `least`, which is 0.5 or more."""
    for i, partners in _share_a_band(first, second).items():
        for j in sorted(partners):
            a, b = first.sets[i], second.sets[j]
            similarity = len(a & b) / len(a | b)
            if similarity >= least:
                yield AlikePair(i, j, similarity)


def _share_a_band(first: Shingled, second: Shingled) -> dict[int, set[int]]:
    width = _HASHES // _BANDS
    found: dict[int, set[int]] = defaultdict(set)
    for band in range(_BANDS):
        columns = slice(band * width, (band + 1) * width)
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for j, row in enumerate(second.signatures[:, columns]):
            if second.sets[j]:
                buckets[row.tobytes()].append(j)
        for i, row in enumerate(first.signatures[:, columns]):
            if first.sets[i] and (partners := buckets.get(row.tobytes())):
                found[i].update(partners)
    return dict(sorted(found.items()))
