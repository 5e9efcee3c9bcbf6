"""How few queries can miss their latency objective: those of an oracle that knows every tier's answer beforehand.

It asks one tier a query. Where a tier in time is as good as the best nothing is lost; elsewhere it comes late, or it
loses quality. Of each task it may lose what the target leaves, and it spares the most misses by taking the smallest
losses first. No policy of these tiers that keeps the target can miss less, for none knows more and none asks fewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.ablation import Columns
from routenlp.bench.pilot.traffic import Arrivals
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Fewest:
    """Of one task's counted queries."""

    n: int
    missed: int
    """By the oracle."""
    top: int
    """By the top tier alone."""


def fewest(quality: FloatArray, latency_s: FloatArray, *, sla_s: float, eps: float) -> Fewest:
    """`quality`, `latency_s`: of every tier, shape (n, tiers), NaN where a tier has no answer.

    The last is the top tier, of whose quality a share of `eps` may be lost.
    """
    known = np.where(np.isnan(quality), -np.inf, quality)
    in_time = known + np.where(latency_s <= sla_s, 0.0, -np.inf)
    best, prompt = known.max(axis=1), in_time.max(axis=1)
    losses = np.sort((best - prompt)[np.isfinite(prompt)])
    may_lose = best.sum() - (1.0 - eps) * quality[:, -1].sum()
    spared = int(np.searchsorted(losses.cumsum(), may_lose + 1e-9, side="right"))
    return Fewest(len(quality), len(quality) - spared, int((latency_s[:, -1] > sla_s).sum()))


def fewest_of_tasks(
    days: Sequence[tuple[Arrivals, Columns]],
    task_of: NDArray[np.str_],
    counted: NDArray[np.bool_],
    asked: Mapping[str, tuple[float, float]],
) -> dict[str, Fewest]:
    """By task. `task_of`, `counted`: of each item. `asked`: by task, its latency objective in seconds, and eps."""
    found = {}
    for task, (sla_s, eps) in asked.items():
        mine = (task_of == task) & counted
        parts = [(seen, arrivals.item[mine[arrivals.item]]) for arrivals, seen in days]
        quality = np.concatenate([seen.quality[items] for seen, items in parts])
        latency_s = np.concatenate([seen.latency_s[items] for seen, items in parts])
        if len(quality):
            found[task] = fewest(quality, latency_s, sla_s=sla_s, eps=eps)
    return found
