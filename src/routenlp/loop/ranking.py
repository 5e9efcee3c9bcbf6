"""Which clusters are worth lessons: by the money that a better cheap tier would save there, or by the paper's rule.

V_c = (queries expected over the horizon) * (n_c / N) * g_c * P(learnable_c) * (c_top - c_k) - label cost. Gaps of
small clusters are shrunk to their task's mean, g_c = (n_c g + 20 g_bar) / (n_c + 20), and clusters are ordered by a
lower bound of V_c, so that a handful of unlucky rows does not lead the list. The paper's rule is size * mean gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

SHRINKAGE = 20.0
"""Rows' worth of the task's mean gap that every cluster's gap begins with."""
PAPER_TOP = 5
"""Clusters that the paper keeps."""
_Z = 1.2815515655446004
"""The normal distribution's 90% point: bounds are one-sided, and only order."""
_SPREAD_UNKNOWN = 0.5
"""Deviation of a gap in [-1, 1] of which one row or none was graded."""


class Rule(StrEnum):
    """How clusters are ordered."""

    VALUE = "value"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one cluster."""

    task: str
    index: int
    size: int
    """n_c: failures in it."""
    gaps: tuple[float, ...]
    """The top tier's quality minus the cheap one's, of its failures where both were graded."""
    learnable: float
    """P(a lesson mends a failure here), in [0, 1], from a probe."""
    learnable_error: float
    """Standard error of it."""
    saving_usd: float
    """c_top - c_k: what one query costs less when the cheap tier answers it, USD."""
    label_cost_usd: float
    """Of the lessons that would be bought."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One cluster's place."""

    evidence: Evidence
    gap: float
    """Shrunk to the task's mean."""
    value: float
    """By the rule: USD over the horizon, or size times mean gap."""
    low: float
    """Lower bound of `value`; the order goes by it. The paper's rule has none: it is the value."""
    dropped: str | None = None
    """Why no lesson is taken from it, in words; None where they are."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Over what the value of a cluster is counted."""

    queries: float
    """Of the task, expected until the tiers change again."""
    observed: int
    """N: queries of the task among which the failures were found."""


def rank(clusters: Sequence[Evidence], horizon: Horizon, rule: Rule = Rule.VALUE) -> tuple[Ranked, ...]:
    """Best first; dropped ones last. Of one task: gaps are shrunk to the mean over `clusters`.

    Dropped: where graded rows say that the teacher is no better than the student, and where nothing can be learned;
    under the paper's rule all but the first `PAPER_TOP`, too.
    """
    everything = [gap for cluster in clusters for gap in cluster.gaps]
    mean = float(np.mean(everything)) if everything else 1.0
    ranked = [_place(cluster, mean, horizon, rule) for cluster in clusters]
    ordered = sorted(ranked, key=lambda r: (r.dropped is not None, -r.low, -r.evidence.size, r.evidence.index))
    if rule is Rule.PAPER:
        beyond = f"not among the first {PAPER_TOP}"
        ordered = [r if i < PAPER_TOP or r.dropped else replace(r, dropped=beyond) for i, r in enumerate(ordered)]
    return tuple(ordered)


def shrunk_gap(gaps: Sequence[float], mean: float) -> float:
    """(n g + 20 g_bar) / (n + 20); the task's mean where nothing was graded."""
    return (sum(gaps) + SHRINKAGE * mean) / (len(gaps) + SHRINKAGE)


def _place(cluster: Evidence, mean: float, horizon: Horizon, rule: Rule) -> Ranked:
    gap = shrunk_gap(cluster.gaps, mean)
    if rule is Rule.PAPER:
        plain = float(np.mean(cluster.gaps)) if cluster.gaps else mean
        value = low = cluster.size * plain
    else:
        each = horizon.queries * cluster.size / max(horizon.observed, 1) * cluster.saving_usd
        value = each * gap * cluster.learnable - cluster.label_cost_usd
        least_gap = max(gap - _Z * _gap_error(cluster.gaps), 0.0)
        least = max(cluster.learnable - _Z * cluster.learnable_error, 0.0)
        low = each * least_gap * least - cluster.label_cost_usd
    return Ranked(cluster, gap, value, low, _why_dropped(cluster, gap))


def _gap_error(gaps: Sequence[float]) -> float:
    spread = float(np.std(gaps, ddof=1)) if len(gaps) > 1 else _SPREAD_UNKNOWN
    return spread / float(np.sqrt(len(gaps) + SHRINKAGE))


def _why_dropped(cluster: Evidence, gap: float) -> str | None:
    if gap <= 0.0 or (cluster.gaps and float(np.mean(cluster.gaps)) <= 0.0):
        return "the teacher is no better than the student here"
    if cluster.learnable <= 0.0:
        return "nothing can be learned here"
    return None
