"""Nearest neighbours: what each tier delivered on the training queries that are most like this one.

Hu, Bieker, Li, Jiang, Keigwin, Ranganath, Keutzer, Upadhyay 2024: RouterBench: A Benchmark for Multi-LLM Routing
System. arXiv 2403.12031, whose kNN router this is; Li 2025: Rethinking Predictive Modeling for LLM Routing: When Simple
kNN Beats Complex Learned Routers. arXiv 2505.12601, which tunes the number of neighbours.

The tier of the largest (mean quality of the neighbours) - price x (their mean cost). Adapted: the number of neighbours,
and whether they must share the task, are chosen on held-out training rows; means are drawn a little to those of the
task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import inner_folds
from routenlp.replay.backtest.baselines.inputs import task_means
from routenlp.replay.backtest.baselines.knobs import KnobLadder, best_value, even_prices, mean_cost, top_cost
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray, Vectors

NEIGHBOURS = (5, 10, 20, 40, 80, 160)
SAME_TASK = (0.0, 2.0)
"""Added to the cosine of two queries of one task; 2 puts all of them before any other."""
PRIOR = 2.0
"""Neighbours that the task's mean counts as."""
_CHUNK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Expected of each tier, (n, tiers): quality, and cost in shares of always-top's mean."""

    quality: FloatArray
    cost: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The training rows, ready to be searched."""

    units: Vectors
    task: np.ndarray[tuple[int], np.dtype[np.int64]]
    values: FloatArray
    """Qualities of all tiers, then costs, (rows, 2 tiers)."""
    prior: FloatArray
    """The same by task."""

    def means(self, rows: Rows, same_task: float, counts: tuple[int, ...]) -> list[FloatArray]:
        """Mean values of the nearest `count` training rows, for each of `counts`, each (n, 2 tiers)."""
        units = _units(rows.features)
        counts = tuple(min(count, len(self.units)) for count in counts) if units.shape[1] else (0,) * len(counts)
        found = [np.empty((rows.n, self.values.shape[1])) for _ in counts]
        for start in range(0, rows.n, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            likeness = units[chunk] @ self.units.T
            likeness += np.float32(same_task) * (rows.task[chunk, None] == self.task)
            nearest = _nearest(likeness, max(counts))
            sums = np.concatenate([np.zeros((len(nearest), 1, found[0].shape[1])), self.values[nearest]], axis=1)
            sums = np.cumsum(sums, axis=1)
            for count, out in zip(counts, found, strict=True):
                out[chunk] = (sums[:, count] + PRIOR * self.prior[rows.task[chunk]]) / (count + PRIOR)
        return found


def fit_knn(train: Rows, *, seed: int) -> KnobLadder[Seen, float]:
    """Prices of cost, from 0 up, after always-top."""
    (same_task, count), held_out = _choose(train, seed)
    scale = top_cost(train) or 1.0
    every = _index(train)

    def see(rows: Rows) -> Seen:
        return _split(every.means(rows, same_task, (count,))[0], scale)

    def decide(_: Rows, seen: Seen, price: float) -> Run:
        return best_value(seen.quality, seen.cost, price)

    seen = _split(held_out[:, : 2 * len(train.tiers)], scale)
    prices = even_prices(lambda price: mean_cost(train, decide(train, seen, price)), below=top_cost(train))
    return KnobLadder("knn", prices, see, decide, begins_at_top=True)


def _choose(train: Rows, seed: int) -> tuple[tuple[float, int], FloatArray]:
    """The settings of the least squared error in quality on held-out rows, and their means for those rows."""
    tiers = len(train.tiers)
    settings = [(same_task, count) for same_task in SAME_TASK for count in NEIGHBOURS]
    held_out = [np.empty((train.n, 2 * tiers)) for _ in settings]
    for fit_on, look_at in inner_folds(train, seed=seed):
        index, rows = _index(take(train, fit_on)), take(train, look_at)
        found = [means for same_task in SAME_TASK for means in index.means(rows, same_task, NEIGHBOURS)]
        for kept, means in zip(held_out, found, strict=True):
            kept[look_at] = means
    error = [float(np.square(kept[:, :tiers] - train.quality).mean()) for kept in held_out]
    best = int(np.argmin(error))
    return settings[best], held_out[best]


def _index(train: Rows) -> Neighbours:
    values = np.concatenate([train.quality, train.cost_usd], axis=1)
    return Neighbours(_units(train.features), train.task, values, task_means(train, values))


def _units(features: Vectors) -> Vectors:
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(norm > 0.0, norm, 1.0), dtype=np.float32)


def _nearest(likeness: Vectors, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Positions of the `count` largest of each row, largest first."""
    if count == 0:
        return np.empty((len(likeness), 0), dtype=np.int64)
    some = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(likeness, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _split(values: FloatArray, scale: float) -> Seen:
    tiers = values.shape[1] // 2
    return Seen(values[:, :tiers], values[:, tiers:] / scale)
