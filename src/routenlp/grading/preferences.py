"""Preferences: which of two tiers' answers to one query is better. Rows in, arrays and counts out; reads nothing.

A preference comes from a person (feedback), from a judge, or from a file. A tie is half a win for each side. Whether
they agree with one another is nobody's promise: `count_contradictions` says how far they do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError
from routenlp.types import FloatArray

SHARE_OF_A: Mapping[str, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}
"""How much of the win goes to tier a, by the word that a row uses for its winner."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One comparison of two tiers' answers to a query. Made by `check_preference`."""

    query_id: str
    tier_a: str
    tier_b: str
    winner: str
    """A key of `SHARE_OF_A`."""
    weight: float = 1.0
    """How much it counts beside others; positive."""


def check_preference(row: Mapping[str, object], where: str, tiers: Sequence[str]) -> Preference:
    """The preference that `row` states; `where` names the row in errors.

    Keys: `query_id`, `tier_a`, `tier_b`, `winner` (a, b or tie), and `weight` if it is not 1; others are ignored.
    Raises `DataError` for a missing key, a tier that is not in `tiers`, one tier on both sides, another winner, and a
    weight that is not a positive number.
    """
    query_id, tier_a, tier_b, winner = (_text(row, key, where) for key in ("query_id", "tier_a", "tier_b", "winner"))
    for key, tier in (("tier_a", tier_a), ("tier_b", tier_b)):
        if tier not in tiers:
            raise DataError(f"{where}, {key}", f"{tier!r} is no tier", f"Name one of {', '.join(tiers)}")
    if tier_a == tier_b:
        raise DataError(f"{where}, tier_b", f"{tier_b!r} is compared with itself", "Name two tiers, or drop the row")
    if winner not in SHARE_OF_A:
        raise DataError(f"{where}, winner", f"is {winner!r}", f"Write {', '.join(SHARE_OF_A)}")
    return Preference(query_id, tier_a, tier_b, winner, _weight(row.get("weight"), where))


def _text(row: Mapping[str, object], key: str, where: str) -> str:
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, {key}", "is missing" if value is None else f"is {value!r}", "Give it as a text")
    return value


def _weight(value: object, where: str) -> float:
    if value is None or value == "":
        return 1.0
    try:
        weight = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        weight = math.nan
    if not (0.0 < weight < math.inf):
        raise DataError(f"{where}, weight", f"is {value!r}", "Give a positive number, or leave it out for 1")
    return weight


@dataclass(frozen=True, slots=True, eq=False)
class PreferencePairs:
    """Preferences as arrays of one length m: what fits read."""

    row: NDArray[np.int64]
    """Position of the query among the fit's rows."""
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    """Positions of the two tiers."""
    share: FloatArray
    """Of the win that goes to `first`: 1, 0.5 for a tie, or 0."""
    weight: FloatArray

    def wins(self, rows: int, tiers: int) -> FloatArray:
        """Weighted wins of tier a over tier b on each row, shape (rows, tiers, tiers); a tie is half a win each."""
        out = np.zeros((rows, tiers, tiers))
        np.add.at(out, (self.row, self.first, self.second), self.weight * self.share)
        np.add.at(out, (self.row, self.second, self.first), self.weight * (1.0 - self.share))
        return out

    def take(self, rows: NDArray[np.int64]) -> PreferencePairs:
        """The preferences on the queries at `rows` (distinct positions), which are then numbered 0, 1, ... in order."""
        size = int(max(self.row.max(initial=-1), rows.max(initial=-1))) + 1
        position = np.full(size, -1)
        position[rows] = np.arange(len(rows))
        kept = position[self.row] >= 0
        numbered = np.asarray(position[self.row[kept]], dtype=np.int64)
        return PreferencePairs(numbered, self.first[kept], self.second[kept], self.share[kept], self.weight[kept])


def index_preferences(
    preferences: Sequence[Preference], query_ids: Sequence[str], tiers: Sequence[str]
) -> PreferencePairs:
    """Preferences by position among `query_ids` (distinct) and `tiers`.

    Raises `DataError` for a preference on a query or a tier that is not there: it would be lost without a word.
    """
    row_of = {query_id: position for position, query_id in enumerate(query_ids)}
    tier_of = {tier: position for position, tier in enumerate(tiers)}
    for number, preference in enumerate(preferences, start=1):
        if preference.query_id not in row_of:
            problem = f"query {preference.query_id!r} is not among the {len(row_of)} known queries"
            raise DataError(f"preference {number}", problem, "Add the query, or drop the preference")
        if unknown := {preference.tier_a, preference.tier_b} - tier_of.keys():
            problem = f"{min(unknown)!r} is no tier"
            raise DataError(f"preference {number}", problem, f"Name one of {', '.join(tiers)}")
    return PreferencePairs(
        np.array([row_of[p.query_id] for p in preferences], dtype=np.int64),
        np.array([tier_of[p.tier_a] for p in preferences], dtype=np.int64),
        np.array([tier_of[p.tier_b] for p in preferences], dtype=np.int64),
        np.array([SHARE_OF_A[p.winner] for p in preferences], dtype=np.float64),
        np.array([p.weight for p in preferences], dtype=np.float64),
    )


@dataclass(frozen=True, slots=True)
class Contradictions:
    """How far preferences contradict one another. None of it stops a fit: a regularised one averages over it."""

    preferences: int
    ties: int
    opposed: int
    """(query, two tiers) on which each side won at least once."""
    cyclic_queries: int
    """Queries on which majorities run in a circle: a over b, b over c, c over a."""
    cyclic_overall: bool
    """Whether the majorities over all queries do."""


def count_contradictions(pairs: PreferencePairs, tiers: int) -> Contradictions:
    """Counts them; ties oppose nobody."""
    queries, row = np.unique(pairs.row, return_inverse=True)
    won = np.zeros((len(queries), tiers, tiers))
    for winner, loser, share in ((pairs.first, pairs.second, 1.0), (pairs.second, pairs.first, 0.0)):
        clear = pairs.share == share
        np.add.at(won, (row[clear], winner[clear], loser[clear]), pairs.weight[clear])
    upper = np.triu_indices(tiers, 1)
    opposed = int(((won > 0.0) & (won.transpose(0, 2, 1) > 0.0))[:, *upper].sum())
    overall = won.sum(axis=0, keepdims=True)
    return Contradictions(
        len(pairs.row),
        int((pairs.share == SHARE_OF_A["tie"]).sum()),
        opposed,
        int(_in_circles(won).sum()),
        bool(_in_circles(overall)[0]),
    )


def _in_circles(won: FloatArray) -> NDArray[np.bool_]:
    """For each matrix of wins whether a tier beats itself by way of others."""
    reaches = won > won.transpose(0, 2, 1)
    for _ in range(won.shape[1].bit_length()):  # paths twice as long each time
        reaches = reaches | (reaches.astype(np.int64) @ reaches.astype(np.int64) > 0)
    return np.asarray(np.diagonal(reaches, axis1=1, axis2=2).any(axis=1))
