"""Groups of failures that resemble each other: how a query is put into one, and what a group is called.

The axes and centres are fitted in `training.failure_clusters`; here a query is only assigned to the nearest centre.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.loop.directions import directions
from routenlp.types import ClusterSpace, FloatArray, Vectors

EXEMPLARS = 3
LABEL_WORDS = 4
_WORD = re.compile(r"[^\W\d_][\w'-]+")
_ASSIGNED_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class Cluster:
    """One group of failures of one task."""

    task: str
    index: int
    """The position of its centre."""
    label: str
    """Its most telling words, by c-TF-IDF."""
    exemplars: tuple[int, ...]
    """Positions of the members nearest to the centre, nearest first, at most `EXEMPLARS`."""
    members: tuple[int, ...]
    """Positions among the rows that were grouped, rising."""

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.members)


def project(space: ClusterSpace, vectors: Vectors) -> Vectors:
    """To the space's axes, shape (n, axes), each row of length 1; zeros stay zeros."""
    return directions(np.asarray((vectors - space.mean) @ space.axes, dtype=np.float32))


def distances(space: ClusterSpace, vectors: Vectors) -> FloatArray:
    """Squared distance of each row to each centre, shape (n, centres), after `project`."""
    out = np.empty((len(vectors), len(space.centres)))
    squares = (space.centres.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(vectors), _ASSIGNED_AT_ONCE):
        rows = project(space, vectors[start : start + _ASSIGNED_AT_ONCE]).astype(np.float64)
        products = rows @ space.centres.T.astype(np.float64)
        out[start : start + len(rows)] = (rows**2).sum(axis=1)[:, None] - 2.0 * products + squares
    return np.maximum(out, 0.0)


def assign(space: ClusterSpace, vectors: Vectors) -> NDArray[np.int64]:
    """The nearest centre of each row, shape (n,); the first of those equally near."""
    return np.asarray(distances(space, vectors).argmin(axis=1), dtype=np.int64)


def describe(task: str, space: ClusterSpace, vectors: Vectors, texts: Sequence[str]) -> tuple[Cluster, ...]:
    """The clusters that rows fall into, each with label and exemplars, by position of centre; empty ones left out."""
    if not texts:
        return ()
    apart = distances(space, vectors)
    nearest = apart.argmin(axis=1)
    members = {int(c): np.flatnonzero(nearest == c) for c in np.unique(nearest)}
    labels = label_by_words({c: [texts[i] for i in rows.tolist()] for c, rows in members.items()})
    return tuple(
        Cluster(
            task,
            c,
            labels[c],
            tuple(int(i) for i in rows[np.argsort(apart[rows, c], kind="stable")][:EXEMPLARS]),
            tuple(int(i) for i in rows),
        )
        for c, rows in members.items()
    )


def label_by_words(texts: Mapping[int, Sequence[str]], *, words: int = LABEL_WORDS) -> dict[int, str]:
    """The words that tell each group from the others, by c-TF-IDF: tf in the group times ln(1 + A / tf in all), A the
    mean number of words a group (Grootendorst 2022). A word counts once a text. `(no words)` where there are none.
    """
    counts = {group: Counter(w for text in of_group for w in _words(text)) for group, of_group in texts.items()}
    overall: Counter[str] = Counter()
    for count in counts.values():
        overall.update(count)
    mean = sum(overall.values()) / max(len(counts), 1)
    out = {}
    for group, count in counts.items():
        size = max(sum(count.values()), 1)
        weight = {word: n / size * np.log1p(mean / overall[word]) for word, n in count.items()}
        best = sorted(weight, key=lambda word: (-weight[word], word))[:words]
        out[group] = ", ".join(best) if best else "(no words)"
    return out


def _words(text: str) -> set[str]:
    return {word for found in _WORD.findall(text[:4_000]) if (word := found.lower()) not in _COMMON}


_COMMON_WORDS = """
the and for are was were has have had with that this from you your not but can will may any all its our their they been
being which who what when where how why does did just get got out into than then there here his her him she one per
such shall other would could should about also more most some only own same too very upon each
"""
_COMMON = frozenset(_COMMON_WORDS.split())
