"""Which failures become lessons: so many of each cluster, the most telling ones of it, no two nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.loop.contamination import text_hash
from routenlp.loop.directions import directions
from routenlp.types import FloatArray, Query, Vectors

OLD_SHARE = 0.15
"""Of what is learned from, so that what was learned before is not forgotten; 10 to 20% is usual."""
TOO_ALIKE = 0.95
"""Cosine from which a second lesson says nothing that the first did not."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One query with the teacher's answer to it."""

    query: Query
    answer: str
    teacher: str
    """The tier that gave the answer, and its model."""
    group: str
    """The query's unit of exchangeability, which no fold cuts."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Failures that could become lessons; arrays are of shape (n,)."""

    cluster: NDArray[np.int64]
    priority: FloatArray
    """The larger, the sooner within its cluster: by default the uncertainty of the cheap answer."""
    vectors: Vectors
    """Shape (n, d), by which near copies are told."""


def choose(candidates: Candidates, quotas: Mapping[int, int], *, too_alike: float = TOO_ALIKE) -> NDArray[np.int64]:
    """Positions, cluster by cluster in the order of `quotas`, highest priority first, no two of cosine >= `too_alike`.

    Where a cluster runs out of different ones its quota is filled up with the best of all that are left, whatever
    their cluster among those with a quota; copies come last of all, so that the sum of the quotas is met wherever
    there are as many candidates.
    """
    unit = directions(candidates.vectors)
    order = np.argsort(-candidates.priority, kind="stable")
    taken: list[int] = []
    for cluster, quota in quotas.items():
        _take(taken, [int(i) for i in order if candidates.cluster[i] == cluster], quota, unit, too_alike)
    eligible = [int(i) for i in order if int(candidates.cluster[i]) in quotas]
    wanted = min(sum(quotas.values()), len(eligible))
    for limit in (too_alike, np.inf):
        chosen = set(taken)
        _take(taken, [i for i in eligible if i not in chosen], wanted - len(taken), unit, limit)
    return np.array(taken, dtype=np.int64)


def _take(taken: list[int], rows: Iterable[int], quota: int, unit: Vectors, limit: float) -> None:
    """Appends up to `quota` of `rows` to `taken`, each unlike all that were taken."""
    begin = len(taken)
    for row in rows:
        if len(taken) - begin >= quota:
            return
        if np.isinf(limit) or not taken or float((unit[taken] @ unit[row]).max()) < limit:
            taken.append(row)


def without_copies(lessons: Sequence[Lesson]) -> tuple[Lesson, ...]:
    """The first of those with the same text, case and blanks aside."""
    first: dict[str, Lesson] = {}
    for lesson in lessons:
        first.setdefault(text_hash(lesson.query), lesson)
    return tuple(first.values())


def with_old(new: Sequence[Lesson], old: Sequence[Lesson], *, share: float = OLD_SHARE) -> tuple[Lesson, ...]:
    """`new` and so many of `old` that they are `share` of the whole, evenly spaced over `old`; copies left out.

    For distillers that train on from where they are. A student that is refitted gets all lessons there ever were.
    """
    wanted = min(len(old), round(len(new) * share / (1.0 - share)))
    at = np.linspace(0, len(old) - 1, wanted).round().astype(np.int64) if wanted else np.zeros(0, dtype=np.int64)
    return without_copies([*new, *(old[int(i)] for i in at)])


@dataclass(frozen=True, slots=True)
class Taught:
    """What asking the teacher brought."""

    lessons: tuple[Lesson, ...]
    refused: int
    """Queries that it gave no usable answer to: an error, a refusal, an empty text."""


def ask_teacher(
    queries: Sequence[tuple[Query, str]], teacher: str, answer: Callable[[Query], str | None], *, wanted: int
) -> Taught:
    """Lessons from (query, group) pairs in order, until there are `wanted`; one that fails is passed over.

    `answer`: None, or a blank text, where the teacher has no usable answer; the caller maps its errors to that.
    """
    lessons: list[Lesson] = []
    refused = 0
    for query, group in queries:
        if len(lessons) >= wanted:
            break
        said = answer(query)
        if said is None or not said.strip():
            refused += 1
        else:
            lessons.append(Lesson(query, said, teacher, group))
    return Taught(without_copies(lessons), refused)
