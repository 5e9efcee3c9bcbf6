"""Which failures of a task become lessons: cluster them, say what each cluster is worth, spread the lessons over it.

One choice for the whole loop: the stages of `loop/` in their order, around a clusterer and a probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Clusterer, Probe
from routenlp.loop.clusters import Cluster, describe
from routenlp.loop.failures import Failure
from routenlp.loop.ranking import Evidence, Horizon, Ranked, Rule, rank
from routenlp.loop.representatives import Field, cover
from routenlp.types import ClusterSpace, FloatArray, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The failures of one task that may become lessons."""

    task: str
    failures: Sequence[Failure]
    vectors: Vectors
    """Of their texts, shape (n, d)."""
    saving_usd: float
    """What one query costs less when the dearest cheap tier answers it in place of the top one."""
    label_usd: float
    """Of one teacher answer that is not paid yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is labelled already."""

    vectors: Vectors
    """Shape (m, d)."""
    answers: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Lessons, and what they were chosen by."""

    space: ClusterSpace | None
    """Where failures are grouped; None without a failure."""
    clusters: tuple[Cluster, ...]
    ranked: tuple[Ranked, ...]
    """Best first, dropped ones last."""
    lessons: NDArray[np.int64]
    """Positions among the failures, the most telling first."""

    def lessons_in(self, index: int) -> int:
        """How many lessons the cluster of this index gets."""
        members = next((set(c.members) for c in self.clusters if c.index == index), set())
        return sum(int(i) in members for i in self.lessons)


def choose_lessons(
    failed: Failed, known: Known, budget: int, horizon: Horizon, *, clusterer: Clusterer, probe: Probe, seed: int
) -> Choice:
    """At most `budget` lessons, those that stand for the most doubt in clusters that are worth most.

    Failures of clusters in which the teacher is no better than the student, or nothing can be learned, are left out.
    """
    if not failed.failures:
        return Choice(None, (), (), np.zeros(0, dtype=np.int64))
    space = clusterer.fit(failed.vectors, seed=seed)
    clusters = describe(failed.task, space, failed.vectors, [f.query.text for f in failed.failures])
    right = [failure.teacher_answer or "" for failure in failed.failures]
    learnable = probe.learnable(known.vectors, known.answers, failed.vectors, right)
    ranked = rank([_evidence(failed, cluster, learnable) for cluster in clusters], horizon, Rule.VALUE)
    weight, allowed = _weights(failed, clusters, ranked)
    picked = cover(Field(failed.vectors, weight, allowed), known.vectors, budget)
    return Choice(space, clusters, ranked, picked)


def _evidence(failed: Failed, cluster: Cluster, learnable: FloatArray) -> Evidence:
    members = list(cluster.members)
    share = float(learnable[members].mean())
    unpaid = sum(failed.failures[i].teacher_answer is None for i in members)
    return Evidence(
        cluster.task,
        cluster.index,
        cluster.size,
        tuple(gap for i in members if (gap := failed.failures[i].gap) is not None),
        share,
        float(np.sqrt((share * (1.0 - share) + 0.25) / (cluster.size + 1))),
        failed.saving_usd,
        unpaid * failed.label_usd,
    )


def _weights(
    failed: Failed, clusters: Sequence[Cluster], ranked: Sequence[Ranked]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The root of a row's doubt times the root of its cluster's worth; rows of dropped clusters are not allowed."""
    kept = {r.evidence.index: max(r.low, 0.0) / r.evidence.size for r in ranked if r.dropped is None}
    best = max(kept.values(), default=0.0)
    n = len(failed.failures)
    weight, allowed = np.zeros(n), np.zeros(n, dtype=np.bool_)
    for cluster in clusters:
        if cluster.index in kept:
            members = list(cluster.members)
            allowed[members] = True
            weight[members] = np.sqrt(kept[cluster.index] / best) if best > 0.0 else 1.0
    doubt = np.array([1.0 if f.score is None else min(max(f.score, 0.0), 1.0) for f in failed.failures])
    return np.sqrt(doubt) * weight, allowed
