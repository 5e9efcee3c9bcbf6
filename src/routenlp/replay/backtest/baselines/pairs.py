"""Routers between two tiers: a score of how likely the weak one will do, and a cut-off swept over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from routenlp.replay.backtest.baselines.knobs import STEPS, KnobLadder, route
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray

SHARES = np.linspace(0.0, 1.0, STEPS)
"""Of queries that the weak tier answers, on the training rows."""


def pair_ladder(
    name: str, weak: int, held_out: FloatArray, score: Callable[[Rows], FloatArray]
) -> KnobLadder[FloatArray, float]:
    """Weak where the score is over the cut-off, else top; cut-offs at even shares of the scores `held_out`, (n,)."""

    def decide(rows: Rows, scores: FloatArray, cutoff: float) -> Run:
        top = len(rows.tiers) - 1
        return route(np.where(scores > cutoff, weak, top).astype(np.int64), top + 1)

    return KnobLadder(name, tuple(cutoffs(held_out)), score, decide)


def cutoffs(scores: FloatArray) -> list[float]:
    """Above the first lies no score, above the last lie all; between them even shares. Falling, without repeats."""
    inner = np.quantile(scores, 1.0 - SHARES[1:-1])
    return [np.inf, *np.unique(inner)[::-1].tolist(), -np.inf]


def best_weak_tier(train: Rows, scores: Sequence[FloatArray]) -> int:
    """The cheaper tier whose held-out scores give the largest area under quality over cost beside the top tier.

    `scores`: for each tier but the top one, shape (n,). The papers are given their pair; a portfolio offers several.
    """
    return int(np.argmax([_area(train, weak, held_out) for weak, held_out in enumerate(scores)]))


def _area(train: Rows, weak: int, scores: FloatArray) -> float:
    order = np.argsort(-scores, kind="stable")
    count = np.round(SHARES * train.n).astype(np.int64)
    quality = _means(train.quality[order], weak, count)
    cost = _means(train.cost_usd[order], weak, count)
    means = train.cost_usd.mean(axis=0)
    low, high = float(means.min()), float(means.max())
    return aiq(quality_cost_hull(cost, quality), low, high) if low < high else float(quality.max())


def _means(values: FloatArray, weak: int, count: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    """Mean of `values` when the first `count` rows go to the weak tier and the others to the top."""
    gain = np.concatenate([[0.0], np.cumsum(values[:, weak] - values[:, -1])])
    return np.asarray((values[:, -1].sum() + gain[count]) / len(values))
