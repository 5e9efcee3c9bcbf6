"""Nearest neighbours: what each tier delivered on the training queries that are most like this one.

Hu, Bieker, Li, Jiang, Keigwin, Ranganath, Keutzer, Upadhyay 2024: RouterBench: A Benchmark for Multi-LLM Routing
System. arXiv 2403.12031, whose kNN router this is; Li 2025: Rethinking Predictive Modeling for LLM Routing: When Simple
kNN Beats Complex Learned Routers. arXiv 2505.12601, which tunes the number of neighbours.

The tier of the largest (mean quality of the neighbours) - price x (their mean cost). Adapted: the number of neighbours,
and whether they must share the task, are chosen on held-out training rows; means are drawn a little to those of the
task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import Positions, inner_folds
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
    task: Positions
    values: FloatArray
    """Qualities of all tiers, then costs, (rows, 2 tiers)."""
    prior: FloatArray
    """The same by task."""

    def means(self, rows: Rows, same_task: Sequence[float], counts: tuple[int, ...]) -> list[FloatArray]:
        """Mean values of the nearest `count` training rows, each (n, 2 tiers): for the first bonus `same_task` those
        of all `counts`, which rise, then for the next.
        """
        units = _units(rows.features)
        counts = tuple(min(count, len(self.units)) for count in counts) if units.shape[1] else (0,) * len(counts)
        found = [np.empty((rows.n, self.values.shape[1])) for _ in same_task for _ in counts]
        for start in range(0, rows.n, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            task = rows.task[chunk]
            unlike = -units[chunk] @ self.units.T
            together = task[:, None] == self.task
            for at, bonus in enumerate(same_task):
                nearest = _nearest(unlike - np.float32(bonus) * together if bonus else unlike, max(counts))
                outs = found[at * len(counts) : (at + 1) * len(counts)]
                for count, total, out in zip(counts, _first_sums(self.values, nearest, counts), outs, strict=True):
                    out[chunk] = (total + PRIOR * self.prior[task]) / (count + PRIOR)
        return found


def fit_knn(train: Rows, *, seed: int) -> KnobLadder[Seen, float]:
    """Prices of cost, from 0 up, after always-top."""
    (same_task, count), held_out = _choose(train, seed)
    scale = top_cost(train) or 1.0
    every = _index(train)

    def see(rows: Rows) -> Seen:
        return _split(every.means(rows, (same_task,), (count,))[0], scale)

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
        for kept, means in zip(held_out, index.means(rows, SAME_TASK, NEIGHBOURS), strict=True):
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


def _nearest(unlike: Vectors, count: int) -> Positions:
    """Positions of the `count` smallest of each row, smallest first."""
    if count == 0:
        return np.empty((len(unlike), 0), dtype=np.int64)
    some = np.argpartition(unlike, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(unlike, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _first_sums(values: FloatArray, nearest: Positions, counts: Sequence[int]) -> Iterator[FloatArray]:
    """Of the first `count` of `nearest` for each of the rising `counts`, (n, columns): from one count to the next."""
    total, done = np.zeros((len(nearest), values.shape[1])), 0
    for count in counts:
        total = total + values[nearest[:, done:count]].sum(axis=1)
        done = count
        yield total


def _split(values: FloatArray, scale: float) -> Seen:
    tiers = values.shape[1] // 2
    return Seen(values[:, :tiers], values[:, tiers:] / scale)
