"""What every system of a backtest is given, and what it gives back: the same information, the same measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One fold of recorded outcomes. Tiers are in portfolio order, the top tier last; matrices are (n, tiers)."""

    tiers: tuple[str, ...]
    task_names: tuple[str, ...]
    task: NDArray[np.int64]
    """Of each query, a position in `task_names`, shape (n,)."""
    features: Vectors
    """Of each query's text, shape (n, d); d is 0 where the recording has no text."""
    quality: FloatArray
    cost_usd: FloatArray
    confidence: FloatArray
    """NaN where a tier gave none."""
    answer_length: FloatArray
    """NaN where it is not known."""
    groups: NDArray[np.int64]
    """Of each query, shape (n,): the unit of exchangeability."""
    latency_s: FloatArray | None = None
    """NaN where it is not known; None where it is known of no answer."""

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.task)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one policy did to each row."""

    final: NDArray[np.int64]
    """Position of the tier whose answer was returned, shape (n,)."""
    called: NDArray[np.bool_]
    """Which tiers were paid for, shape (n, tiers)."""

    def quality(self, rows: Rows) -> FloatArray:
        """Of the answers returned, shape (n,)."""
        return np.asarray(rows.quality[np.arange(rows.n), self.final])

    def cost_usd(self, rows: Rows) -> FloatArray:
        """Of every tier called, shape (n,)."""
        return np.asarray((rows.cost_usd * self.called).sum(axis=1))

    def latency_s(self, rows: Rows) -> FloatArray:
        """Of every tier called, one after the other, shape (n,); NaN where that of a called one is not known."""
        if rows.latency_s is None:
            return np.full(rows.n, np.nan)
        return np.asarray(np.where(self.called, rows.latency_s, 0.0).sum(axis=1))


class Ladder(Protocol):
    """A fitted system: policies in order of rising boldness, each cheaper or about as dear as the one before."""

    @property
    def name(self) -> str:
        """As in the report's list of systems."""

    @property
    def size(self) -> int:
        """Number of policies."""

    def run(self, rows: Rows, step: int) -> Run:
        """Policy number `step`, 0 the most cautious, on rows of any fold. It looks at `quality` of no row."""
