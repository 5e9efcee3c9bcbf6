"""How lessons are picked: the arms of the bench. All get the same number; all else is equal.

Where an arm that goes by failures has fewer than it may buy, the accepted answers with the most doubt fill up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.loop.scene import Scene
from routenlp.bench.loop.world import middle, sentence
from routenlp.grading.metrics import metric
from routenlp.loop.clusters import Cluster, describe
from routenlp.loop.failures import Failure
from routenlp.loop.lessons import Candidates, choose
from routenlp.loop.quotas import by_worth, whole_clusters
from routenlp.loop.ranking import Evidence, Horizon, Ranked, Rule, rank
from routenlp.loop.representatives import Field, cover
from routenlp.training.failure_clusters import KMeansClusterer
from routenlp.training.learnability import QuickProbe
from routenlp.types import FloatArray

Positions = NDArray[np.int64]
"""Rows of a scene, in order of choice."""
Pick = Callable[[Scene, int, np.random.Generator], Positions]

NONE, RANDOM, ESCALATIONS, MARGIN = "none", "random", "random escalations", "smallest margin"
COVER, QUOTA, WHOLE = "covering clusters", "quotas over clusters", "whole top-5 clusters"
TARGETED = (ESCALATIONS, MARGIN, COVER, QUOTA, WHOLE)
CLUSTER_SEED = 0
HORIZON_QUERIES = 100_000.0
"""Over which a cluster's worth is counted; the same for all, so that it decides nothing but the unit."""


def pick_escalations(scene: Scene, budget: int, rng: np.random.Generator) -> Positions:
    """Any failure."""
    failures = np.flatnonzero(scene.allowed & scene.failed)
    return _filled(rng.permutation(failures)[:budget], scene, budget)


def pick_margin(scene: Scene, budget: int, _rng: np.random.Generator) -> Positions:
    """The most uncertain answers."""
    return _most_uncertain(scene, np.flatnonzero(scene.allowed))[:budget]


def pick_covering(scene: Scene, budget: int, _rng: np.random.Generator) -> Positions:
    """Those that stand for the most doubt about answers, outside clusters where the teacher is no help."""
    doubt = np.sqrt(np.clip(scene.uncertainty, 0.0, 1.0))
    doubt[_dropped(group(scene, Rule.VALUE))] = 0.0
    return cover(Field(scene.vectors, doubt, scene.allowed), scene.known, budget)


def pick_by_quota(scene: Scene, budget: int, _rng: np.random.Generator) -> Positions:
    """Spread over clusters by their worth, the most uncertain of each."""
    grouped = group(scene, Rule.VALUE)
    chosen = _within(scene, grouped, by_worth(grouped.ranked, budget), scene.uncertainty)
    return _filled(chosen, scene, budget, last=_dropped(grouped))


def pick_whole_clusters(scene: Scene, budget: int, rng: np.random.Generator) -> Positions:
    """The paper's rule: the five clusters of largest size x mean gap, one whole cluster after the other."""
    grouped = group(scene, Rule.PAPER)
    quotas = whole_clusters(grouped.ranked, budget)
    return _filled(_within(scene, grouped, quotas, rng.random(len(scene.at))), scene, budget)


PICKS: Mapping[str, Pick] = {
    ESCALATIONS: pick_escalations,
    MARGIN: pick_margin,
    WHOLE: pick_whole_clusters,
    QUOTA: pick_by_quota,
    COVER: pick_covering,
}
"""Beside `RANDOM`, which looks at no answer, and `NONE`, which learns nothing."""
ARMS = (RANDOM, *PICKS)
"""Those that buy lessons."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """The failures that may be learned from, in clusters."""

    rows: Positions
    """Of the scene, those that were grouped."""
    clusters: Mapping[int, Cluster]
    """By index; members are positions in `rows`."""
    ranked: tuple[Ranked, ...]
    """Best first."""


def group(scene: Scene, rule: Rule) -> Grouped:
    """Cluster the failures that may become lessons by the router's representation, and rank the clusters."""
    may = scene.allowed[scene.failed_at]
    rows = scene.failed_at[may]
    failures = [failure for failure, allowed in zip(scene.failures, may, strict=True) if allowed]
    if not failures:
        return Grouped(rows, {}, ())
    vectors = middle(scene.vectors[rows])
    space = KMeansClusterer().fit(vectors, seed=CLUSTER_SEED)
    texts = [failure.query.text for failure in failures]
    clusters = describe(scene.world.task.name, space, vectors, texts)
    learnable = _learnable(scene, rows, failures)
    evidence = [_evidence(scene, cluster, failures, learnable) for cluster in clusters]
    horizon = Horizon(HORIZON_QUERIES, len(scene.at))
    return Grouped(rows, {cluster.index: cluster for cluster in clusters}, rank(evidence, horizon, rule))


def _dropped(grouped: Grouped) -> Positions:
    """Rows of clusters from which no lesson is worth taking."""
    members = [grouped.clusters[r.evidence.index].members for r in grouped.ranked if r.dropped is not None]
    return np.asarray(grouped.rows[[i for of_cluster in members for i in of_cluster]], dtype=np.int64)


def _learnable(scene: Scene, rows: Positions, failures: Sequence[Failure]) -> FloatArray:
    """Of each failure, by the probe; the teacher's answer is known wherever the top tier was asked."""
    probe = QuickProbe(metric(scene.world.task.metric))
    right = [failure.teacher_answer or "" for failure in failures]
    return probe.learnable(middle(scene.known), scene.known_answers, middle(scene.vectors[rows]), right)


def _evidence(scene: Scene, cluster: Cluster, failures: Sequence[Failure], learnable: FloatArray) -> Evidence:
    members = list(cluster.members)
    costs = scene.seen.recorded.cost_usd.mean(axis=0)
    share = float(learnable[members].mean())
    return Evidence(
        cluster.task,
        cluster.index,
        cluster.size,
        tuple(gap for i in members if (gap := failures[i].gap) is not None),
        share,
        float(np.sqrt((share * (1.0 - share) + 0.25) / (cluster.size + 1))),
        float(costs[-1] - costs[-2]),
        0.0,
    )


def _within(scene: Scene, grouped: Grouped, quotas: Mapping[int, int], priority: FloatArray) -> Positions:
    """So many of each cluster, by priority, near copies last."""
    if not quotas:
        return np.zeros(0, dtype=np.int64)
    cluster_of = np.full(len(grouped.rows), -1, dtype=np.int64)
    for index, cluster in grouped.clusters.items():
        cluster_of[list(cluster.members)] = index
    rows = Candidates(cluster_of, priority[grouped.rows], sentence(scene.vectors[grouped.rows]))
    return np.asarray(grouped.rows[choose(rows, quotas)])


def _filled(chosen: Positions, scene: Scene, budget: int, last: Positions | None = None) -> Positions:
    """With the most uncertain of the other rows that may be learned from, up to the budget; those in `last` at last."""
    left = np.setdiff1d(np.flatnonzero(scene.allowed), chosen)
    shunned = np.isin(left, np.zeros(0, dtype=np.int64) if last is None else last)
    return np.concatenate([chosen, _most_uncertain(scene, left[~shunned]), _most_uncertain(scene, left[shunned])])[
        :budget
    ]


def _most_uncertain(scene: Scene, rows: Positions) -> Positions:
    return np.asarray(rows[np.argsort(-scene.uncertainty[rows], kind="stable")])
