"""Clusters of queries, each with what every tier delivers and costs there: Avengers-Pro.

Zhang, Chen, Huang, Wang, Yu, Bai, Cheng, Xu, Yao, Li, Zhang, Hu 2025: Beyond GPT-5: Making LLMs Cheaper and Better via
Performance-Efficiency Optimized Routing. arXiv 2508.12631.

k-means on the queries' features; a tier's worth in a cluster is alpha x quality + (1 - alpha) x (1 - cost), both scaled
to [0, 1]. A query takes the tier of the largest worth summed over its nearest clusters. Theirs: 60 clusters, the 4
nearest. Adapted: task and features cluster together; the number of clusters is the one whose qualities predict
held-out training rows best; qualities and costs are scaled over all clusters, where theirs are within each, which for
two tiers says who wins and not by how much, and leaves three policies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.backtest.baselines.inner_folds import inner_folds
from routenlp.replay.backtest.baselines.inputs import Inputs, fit_inputs
from routenlp.replay.backtest.baselines.knobs import KnobLadder, mean_cost, route, spread, top_cost
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray, Vectors

CLUSTERS = (8, 16, 32, 64)
NEAREST = 4
ALPHAS = np.linspace(1.0, 0.0, 101)
PRIOR = 5.0
"""Rows that the mean over all clusters counts as, in each."""
_ROUNDS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Means by cluster, (clusters, tiers)."""

    inputs: Inputs
    centres: Vectors
    quality: FloatArray
    cost: FloatArray

    def nearest(self, rows: Rows) -> NDArray[np.int64]:
        """Positions of the clusters nearest to each row, nearest first, (n, at most NEAREST)."""
        x = self.inputs.matrix(rows)
        away = _away(x, np.square(x).sum(axis=1), self.centres)
        return np.argsort(away, axis=1, kind="stable")[:, :NEAREST]

    def worth(self, alpha: float) -> FloatArray:
        """(clusters, tiers)."""
        return np.asarray(alpha * _scaled(self.quality) + (1.0 - alpha) * (1.0 - _scaled(self.cost)))


def fit_kmeans(train: Rows, *, seed: int) -> KnobLadder[NDArray[np.int64], float]:
    """Weights of quality against cost, from 1 down to 0, after always-top."""
    clusters = cluster(train, _choose(train, seed), seed)

    def decide(rows: Rows, nearest: NDArray[np.int64], alpha: float) -> Run:
        worth = clusters.worth(alpha)[nearest].sum(axis=1)
        return route(worth.argmax(axis=1).astype(np.int64), len(rows.tiers))

    nearest = clusters.nearest(train)
    chosen = spread(
        np.array([mean_cost(train, decide(train, nearest, alpha)) for alpha in ALPHAS]), below=top_cost(train)
    )
    return KnobLadder("kmeans", tuple(float(ALPHAS[at]) for at in chosen), clusters.nearest, decide, begins_at_top=True)


def cluster(train: Rows, count: int, seed: int) -> Clusters:
    """Lloyd's algorithm from centres drawn by k-means++ (Arthur and Vassilvitskii 2007)."""
    inputs = fit_inputs(train)
    x = inputs.matrix(train)
    square = np.square(x).sum(axis=1)
    centres = _seeded(x, square, min(count, train.n), np.random.default_rng(seed))
    for _ in range(_ROUNDS):
        member = _away(x, square, centres).argmin(axis=1)
        size = np.bincount(member, minlength=len(centres))
        sums = _sums(member, x, len(centres))
        centres = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centres).astype(np.float32)
    member = _away(x, square, centres).argmin(axis=1)
    size = np.bincount(member, minlength=len(centres))[:, None]
    values = np.concatenate([train.quality, train.cost_usd], axis=1)
    means = (_sums(member, values, len(centres)) + PRIOR * values.mean(axis=0)) / (size + PRIOR)
    tiers = len(train.tiers)
    return Clusters(inputs, centres, means[:, :tiers], means[:, tiers:])


def _choose(train: Rows, seed: int) -> int:
    """The number of clusters of the least squared error in quality on held-out rows."""
    folds = inner_folds(train, seed=seed)
    if len(folds) == 1:
        return CLUSTERS[0]
    error = np.zeros(len(CLUSTERS))
    for fit_on, look_at in folds:
        seen, held_out = take(train, fit_on), take(train, look_at)
        for at, count in enumerate(CLUSTERS):
            found = cluster(seen, count, seed)
            expected = found.quality[found.nearest(held_out)].mean(axis=1)
            error[at] += float(np.square(expected - held_out.quality).sum())
    return CLUSTERS[int(error.argmin())]


def _seeded(x: Vectors, square: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    chosen = [int(rng.integers(len(x)))]
    away = _away(x, square, x[chosen])[:, 0].astype(np.float64)
    for _ in range(count - 1):
        total = float(away.sum())
        chosen.append(int(rng.choice(len(x), p=away / total)) if total > 0.0 else chosen[0])
        away = np.minimum(away, _away(x, square, x[chosen[-1:]])[:, 0])
    return x[chosen]


def _away(x: Vectors, square: Vectors, centres: Vectors) -> Vectors:
    """Squared distances, (n, clusters). `square`: squared lengths of the rows of `x`, which each call would repeat."""
    away = square[:, None] + np.square(centres).sum(axis=1)
    away -= 2.0 * (x @ centres.T)
    return np.asarray(np.maximum(away, np.float32(0.0)))


def _sums(member: NDArray[np.int64], values: Vectors | FloatArray, count: int) -> FloatArray:
    """Of the rows of each cluster, (clusters, columns)."""
    order = np.argsort(member, kind="stable")
    sums = np.zeros((count, values.shape[1]))
    present, start = np.unique(member[order], return_index=True)
    sums[present] = np.add.reduceat(values[order].astype(np.float64), start, axis=0)
    return sums


def _scaled(values: FloatArray) -> FloatArray:
    """To [0, 1]; 0 where all are alike."""
    return np.asarray((values - values.min()) / (float(np.ptp(values)) or 1.0))
