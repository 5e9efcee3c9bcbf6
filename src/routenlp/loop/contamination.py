"""No lesson may be, or nearly be, a row of the folds that judge what was learned: calibrate, gate and test.

Three nets, each for what slips through the one before: the same text but for case and blanks; Jaccard >= 0.8 over runs
of three words; cosine >= 0.95 of sentence vectors. Selection leaves such candidates out; `refuse_overlap` then looks
at the lessons themselves, right before they are learned from, and aborts the turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routenlp.errors import ContaminatedLessons
from routenlp.loop.directions import directions
from routenlp.loop.minhash import Shingled, alike, shingle
from routenlp.types import Query, Vectors

LEAST_JACCARD = 0.8
LEAST_COSINE = 0.95
_ROWS_AT_ONCE = 1_024


class How(StrEnum):
    """By which net a pair was found."""

    EXACT = "the same text"
    RUNS = "shared runs of words"
    COSINE = "sentence vectors"


@dataclass(frozen=True, slots=True)
class Overlap:
    """A lesson that resembles a held-out row; of several rows the first of the strictest net."""

    lesson: int
    row: int
    how: How
    likeness: float
    """1 for the same text, else Jaccard or cosine."""


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """What queries are compared by."""

    ids: tuple[str, ...]
    hashes: tuple[str, ...]
    shingled: Shingled
    vectors: Vectors | None
    """Unit length, shape (n, d); None where no encoder is at hand, and then the third net is not thrown."""


def text_hash(query: Query) -> str:
    """SHA-256 of task, label set and text, case and blanks aside."""
    key = "\0".join((query.task, query.metadata.get("schema", ""), " ".join(query.text.lower().split())))
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def take_prints(queries: Sequence[Query], vectors: Vectors | None = None) -> Prints:
    """`vectors`: of the queries' texts, shape (n, d); their length does not matter."""
    unit = None if vectors is None else directions(vectors)
    return Prints(
        tuple(q.id for q in queries), tuple(map(text_hash, queries)), shingle([q.text for q in queries]), unit
    )


def find_overlaps(lessons: Prints, held_out: Prints) -> tuple[Overlap, ...]:
    """At most one for each lesson, in the order of lessons."""
    found: dict[int, Overlap] = {}
    for overlap in (*_same(lessons, held_out), *_runs(lessons, held_out), *_near(lessons, held_out)):
        found.setdefault(overlap.lesson, overlap)
    return tuple(found[i] for i in sorted(found))


def refuse_overlap(lessons: Prints, held_out: Prints, *, task: str) -> None:
    """Raises `ContaminatedLessons`, which aborts the turn, when any lesson resembles a held-out row."""
    found = find_overlaps(lessons, held_out)
    if not found:
        return
    first = found[0]
    raise ContaminatedLessons(
        f"task {task!r}",
        f"{len(found)} of {len(lessons.ids)} lessons resemble held-out rows; lesson {lessons.ids[first.lesson]!r} and "
        f"row {held_out.ids[first.row]!r} by {first.how} ({first.likeness:.2f})",
        "Leave these queries out of the lessons, or the rows out of their folds, and turn again.",
    )


def _same(lessons: Prints, held_out: Prints) -> list[Overlap]:
    rows = {text: row for row, text in reversed(list(enumerate(held_out.hashes)))}
    return [Overlap(i, rows[text], How.EXACT, 1.0) for i, text in enumerate(lessons.hashes) if text in rows]


def _runs(lessons: Prints, held_out: Prints) -> list[Overlap]:
    pairs = alike(lessons.shingled, held_out.shingled, least=LEAST_JACCARD)
    return [Overlap(pair.first, pair.second, How.RUNS, pair.jaccard) for pair in pairs]


def _near(lessons: Prints, held_out: Prints) -> list[Overlap]:
    if lessons.vectors is None or held_out.vectors is None or not held_out.ids:
        return []
    out = []
    for start in range(0, len(lessons.ids), _ROWS_AT_ONCE):
        cosine = lessons.vectors[start : start + _ROWS_AT_ONCE] @ held_out.vectors.T
        row = cosine.argmax(axis=1)
        best = cosine[np.arange(len(row)), row]
        near = np.flatnonzero(best >= LEAST_COSINE)
        out += [Overlap(start + int(i), int(row[i]), How.COSINE, float(min(best[i], 1.0))) for i in near]
    return out
