"""Limits of latency for a ladder: how much a late answer counts, task by task, fixed on the training fold.

Only what a rule may choose can be mended: where the tiers that are good enough are themselves slow, no nu brings the
share of late answers down to what is asked for, and the largest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Deadlines
from routenlp.cascade.decision import Reach, Utility
from routenlp.replay.backtest.continuation import replay, timed
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.training.continuation import FittedContinuation
from routenlp.types import FloatArray

LEAST_NU, MOST_NU = 0.01, 40.0
"""The most outweighs the margin of the most cautious policies, which would otherwise be late as often as always-top."""
HALVINGS = 12
"""Of the range between, on a log scale: nu is found to 0.2%."""

Hurry = Callable[[Utility], Utility]
"""The same utility with deadlines."""


@dataclass(frozen=True, slots=True)
class Sla:
    """What is asked for."""

    limit_s: Mapping[str, float]
    """By task; a task that is not named has no limit, and its nu is 0."""
    late_share: float = 0.01
    """Of a task's queries, at most: those whose steps take longer than its limit."""


def hurried(sla: Sla, fitted: FittedContinuation, train: Rows, reach: Reach) -> Hurry:
    """Gives a utility the limits of `sla`, and each task the smallest nu that keeps it on held-out training rows.

    A coarse nu would make cautious policies give up the top tier altogether and leave nothing between; hence halving.
    """
    limit_s = np.array([sla.limit_s.get(name, np.inf) for name in train.task_names])
    latency, at = fitted.latency.latency, timed(train, fitted.latency.held_out)

    def with_nu(utility: Utility, nu: FloatArray) -> Utility:
        return replace(utility, deadlines=Deadlines(latency, limit_s, nu))

    def keeps(utility: Utility, nu: FloatArray) -> NDArray[np.bool_]:
        run = replay(fitted.held_out, fitted.held_out_cost, with_nu(utility, nu), reach, at)
        return np.asarray(late_by_task(run, train, limit_s) <= sla.late_share)

    def hurry(utility: Utility) -> Utility:
        none = np.zeros(len(limit_s))
        free = keeps(utility, none)
        low, high = np.full(len(limit_s), LEAST_NU), np.full(len(limit_s), MOST_NU)
        for _ in range(0 if free.all() else HALVINGS):
            middle = np.sqrt(low * high)
            kept = keeps(utility, middle)
            low, high = np.where(kept, low, middle), np.where(kept, middle, high)
        return with_nu(utility, np.where(free, none, high))

    return hurry


def late_by_task(run: Run, rows: Rows, limit_s: FloatArray) -> FloatArray:
    """Share of each task's queries that took longer than its limit, of those whose latency is known; 0 for none."""
    latency = run.latency_s(rows)
    known = ~np.isnan(latency)
    late = latency > limit_s[rows.task]
    count = np.bincount(rows.task[known], minlength=len(limit_s))
    return np.asarray(np.bincount(rows.task[known & late], minlength=len(limit_s)) / np.maximum(count, 1))
