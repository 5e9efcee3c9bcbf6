"""How the gate's delta is spent: looking twice at the same rows is two chances of being fooled by them.

The first look at a gate fold may spend half of its delta, the second a quarter, and so on: however many turns there
are, a policy that should not pass passes any of them with probability at most the whole delta. Halving is cheap, as a
test at delta needs about ln(1 / delta) times as many rows. Rows that no earlier turn looked at are a fresh fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DELTA = 0.10
"""Of a gate fold, over all turns."""
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Spent:
    """What one gate spent, for the log."""

    version: str
    """The candidate."""
    level: float
    rows: frozenset[str]
    """`row_key` of every row that was looked at."""


def row_key(query_id: str) -> str:
    """Short, and says nothing of the query."""
    return hashlib.sha256(query_id.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def row_keys(ids: Iterable[str]) -> frozenset[str]:
    """Of many."""
    return frozenset(map(row_key, ids))


def next_level(spent: Sequence[Spent], rows: frozenset[str], *, total: float = DELTA) -> float:
    """The level at which the next gate may test on `rows`, which counts as a look whether or not it passes.

    Promise: over all gates that share a row, directly, the levels sum to less than `total`.
    """
    looks = sum(1 for gate in spent if not rows.isdisjoint(gate.rows))
    return float(total / 2.0 ** (looks + 1))
