"""Which rows become lessons: those of the loop's best clusters of failures, or any; and the rows that judge it.

Lessons come from the training fold outside the start, where no model here has learned; the gate and test folds judge.
Rows that resemble a judging one become no lesson of either arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.record.asked import Asked
from routenlp.loop.clusters import assign, describe
from routenlp.loop.contamination import find_overlaps, take_prints
from routenlp.loop.lessons import Candidates, choose
from routenlp.loop.quotas import by_worth
from routenlp.loop.ranking import Evidence, Horizon, rank
from routenlp.training.failure_clusters import KMeansClusterer
from routenlp.types import FloatArray, Query, Vectors

JUDGING = ("gate", "test")
ROOM = 1.5
"""The best clusters are taken until they hold so many times the lessons."""
TRIED = (8, 12, 16, 24, 32, 48)
"""Numbers of clusters. With fewer the silhouette finds two halves of the traffic, in which nothing is targeted."""
CLUSTER_SEED = 0
SAVING_USD, HORIZON_QUERIES = 1.0, 100_000.0
"""The same for all clusters of a task, so that they decide nothing but the unit."""

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One task's rows as the prompted model and its teacher answered them. Arrays are of shape (rows,)."""

    task: str
    handled_at: float
    rows: Sequence[Asked]
    quality: FloatArray
    """Of the prompted model's answer."""
    teacher: FloatArray
    """Of the teacher's."""
    vectors: Vectors
    """Shape (rows, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where lessons come from and what judges them; positions in the scene's rows."""

    pool: Positions
    barred: int
    """Rows of the pool that resemble a judging one."""
    failures: Positions
    """Of the pool."""
    cluster: NDArray[np.int64]
    """Of each failure."""
    quotas: Mapping[int, int]
    """Lessons by cluster."""
    labels: Mapping[int, str]
    judged: Positions
    """Held-out failures in the clusters that lessons come from."""
    near: Positions
    """All held-out rows whose nearest cluster is one of those, failed or not."""
    rest: Positions
    """The other held-out rows."""


def in_pool(row: Asked) -> bool:
    """Whether a row may become a lesson: no model here has learned it, and it judges nothing."""
    return row.fold == "train" and not row.start


def survey(scene: Scene, budget: int, judging: Sequence[str] = JUDGING) -> Ground:
    """Cluster the pool's failures, rank the clusters by what better answers there would save, and take the best.

    `judging`: folds of which no row may resemble a lesson.
    """
    held_out = np.flatnonzero([row.fold in judging for row in scene.rows])
    pool = np.flatnonzero([in_pool(row) for row in scene.rows])
    sides = [take_prints([Query(r.id, scene.task, r.text) for r in _at(scene, part)]) for part in (pool, held_out)]
    near_copies = {overlap.lesson for overlap in find_overlaps(*sides)}
    free = np.array([i for n, i in enumerate(pool.tolist()) if n not in near_copies], dtype=np.int64)
    failures = free[scene.quality[free] < scene.handled_at]
    space = KMeansClusterer(tried=TRIED).fit(scene.vectors[failures], seed=CLUSTER_SEED)
    clusters = describe(scene.task, space, scene.vectors[failures], [row.text for row in _at(scene, failures)])
    gaps = (scene.teacher - scene.quality)[failures]
    evidence = [
        Evidence(scene.task, c.index, c.size, tuple(gaps[list(c.members)].tolist()), 1.0, 0.0, SAVING_USD, 0.0)
        for c in clusters
    ]
    ranked = [r for r in rank(evidence, Horizon(HORIZON_QUERIES, len(free))) if r.dropped is None]
    sizes = np.cumsum([r.evidence.size for r in ranked])
    quotas = by_worth(ranked[: int(np.searchsorted(sizes, ROOM * budget)) + 1], budget)
    inside = np.isin(assign(space, scene.vectors[held_out]), list(quotas))
    failed = scene.quality[held_out] < scene.handled_at
    return Ground(
        free,
        len(near_copies),
        failures,
        assign(space, scene.vectors[failures]),
        quotas,
        {c.index: c.label for c in clusters},
        held_out[inside & failed],
        held_out[inside],
        held_out[~inside],
    )


def pick_random(ground: Ground, budget: int, rng: np.random.Generator) -> Positions:
    """Any rows of the pool, looking at no answer."""
    return np.asarray(rng.permutation(ground.pool)[:budget])


def pick_targeted(scene: Scene, ground: Ground, rng: np.random.Generator) -> Positions:
    """So many failures of each chosen cluster, no two nearly the same; which ones is drawn."""
    candidates = Candidates(ground.cluster, rng.random(len(ground.failures)), scene.vectors[ground.failures])
    return np.asarray(ground.failures[choose(candidates, ground.quotas)])


def _at(scene: Scene, positions: Positions) -> list[Asked]:
    return [scene.rows[i] for i in positions.tolist()]
