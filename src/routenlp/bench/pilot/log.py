"""What was served, one row a query: what every figure of the pilot is taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray

COLUMNS: Mapping[str, type] = {
    "at_s": float,
    "item": int,
    "quality": float,
    "top_quality": float,
    "cost_usd": float,
    "top_cost_usd": float,
    "latency_s": float,
    "top_latency_s": float,
    "final": int,
    "steps": int,
    "audited": bool,
    "propensity": float,
    "fallback": bool,
    "accepted": bool,
    "failed": bool,
    "first_right": bool,
    "how": int,
}
"""`final`: position of the tier that answered. `fallback`: the top tier served by rule, after an alarm or for want of a
proof. `accepted`: a tier under the top one answered. `failed`: it did not reach `handled_at`. `first_right`: a cheap
tier answered first, and reached it. `how`: position among the ways of serving."""


@dataclass(slots=True)
class ServedLog:
    """Grows query by query."""

    rows: list[tuple[float | bool, ...]] = field(default_factory=list)

    def table(self) -> ServedTable:
        """All of it."""
        columns: list[tuple[float | bool, ...]] = list(zip(*self.rows, strict=True)) or [()] * len(COLUMNS)
        named = zip(COLUMNS.items(), columns, strict=True)
        found: dict[str, Any] = {name: np.array(column, dtype=kind) for (name, kind), column in named}
        return ServedTable(**found)


@dataclass(frozen=True, slots=True, eq=False)
class ServedTable:
    """In order of time; every array has shape (queries,)."""

    at_s: FloatArray
    item: NDArray[np.int64]
    quality: FloatArray
    top_quality: FloatArray
    cost_usd: FloatArray
    top_cost_usd: FloatArray
    latency_s: FloatArray
    top_latency_s: FloatArray
    final: NDArray[np.int64]
    steps: NDArray[np.int64]
    audited: NDArray[np.bool_]
    propensity: FloatArray
    fallback: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    first_right: NDArray[np.bool_]
    how: NDArray[np.int64]

    def rows(self, which: NDArray[np.bool_]) -> ServedTable:
        """Some of them."""
        return ServedTable(**{name: getattr(self, name)[which] for name in COLUMNS})

    @property
    def n(self) -> int:
        """Queries."""
        return len(self.at_s)
