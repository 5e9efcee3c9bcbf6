"""Lessons that stand for the most of what failed: facility location, picked greedily.

A set of lessons is worth sum_i w_i max(known_i, max_{j in lessons} s_ij), where s_ij is how much a lesson on j teaches
about i (their cosine to a power, so that only near ones count) and known_i is what earlier lessons taught already. Each
pick adds what it adds most; as gains only shrink, most need not be looked at again (Minoux 1978), and the greedy set is
worth at least 1 - 1/e of the best one (Nemhauser, Wolsey & Fisher 1978). Dense regions get a lesson each, copies get
none, and an odd query that resembles nothing waits for its turn.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.loop.directions import directions
from routenlp.types import FloatArray, Vectors

SHARPNESS = 6.0
"""Power of the cosine: 0.9 teaches half, 0.7 an eighth."""
MOST_ROWS = 8_000
"""Rows compared with each other, 256 MB of float32; of more, the weightiest are."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What is to be covered, and what may cover it; arrays are of shape (n,)."""

    vectors: Vectors
    """Shape (n, d); only their directions matter."""
    weight: FloatArray
    """At least 0: what a lesson on a row like this is worth."""
    allowed: NDArray[np.bool_]
    """Rows that may be picked; the others are covered only."""


def cover(field: Field, known: Vectors, budget: int, *, sharpness: float = SHARPNESS) -> NDArray[np.int64]:
    """Positions of at most `budget` allowed rows, the most telling first. `known`: vectors of earlier lessons, (m, d).

    Where nothing is left to gain, the weightiest of the other allowed rows fill up the budget.
    """
    rows = _weightiest(field)
    unit = directions(field.vectors[rows])
    likeness = _sharpen(unit @ unit.T, sharpness)
    covered = (
        _sharpen(unit @ directions(known).T, sharpness).max(axis=1) if len(known) else np.zeros(len(rows), np.float32)
    )
    weight = field.weight[rows].astype(np.float32)
    picked = rows[_greedy(likeness, weight, covered, field.allowed[rows], budget)]
    left = np.setdiff1d(np.flatnonzero(field.allowed), picked)
    rest = left[np.argsort(-field.weight[left], kind="stable")][: max(budget - len(picked), 0)]
    return np.concatenate([picked, rest]).astype(np.int64)


def _weightiest(field: Field) -> NDArray[np.int64]:
    order = np.argsort(-field.weight, kind="stable")[:MOST_ROWS]
    return np.sort(order).astype(np.int64)


def _greedy(
    likeness: Vectors, weight: Vectors, covered: Vectors, allowed: NDArray[np.bool_], budget: int
) -> NDArray[np.int64]:
    covered = covered.copy()

    def gain(row: int) -> float:
        return float(weight @ np.maximum(likeness[row] - covered, np.float32(0.0)))

    heap = [(-gain(int(row)), int(row), 0) for row in np.flatnonzero(allowed)]
    heapq.heapify(heap)
    picked: list[int] = []
    while heap and len(picked) < budget:
        most, row, looked_at = heapq.heappop(heap)
        if most >= 0.0:
            break
        if looked_at == len(picked):
            picked.append(row)
            np.maximum(covered, likeness[row], out=covered)
        else:
            heapq.heappush(heap, (-gain(row), row, len(picked)))
    return np.array(picked, dtype=np.int64)


def _sharpen(cosine: Vectors, sharpness: float) -> Vectors:
    return np.asarray(np.maximum(cosine, np.float32(0.0)) ** np.float32(sharpness), dtype=np.float32)
