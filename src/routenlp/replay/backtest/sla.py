"""Limits of latency for a ladder: how much a late answer counts, task by task, fixed on the training fold.

Only what a rule may choose can be mended: where the tiers that are good enough are themselves slow, no nu brings the
share of late answers down to what is asked for, and the nu that brings it lowest is taken.
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
from routenlp.training.latency_fit import fit_latency
from routenlp.types import FloatArray

NUS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Tried in this order: the smallest that does is taken. The largest outweigh the margin of the most cautious policies,
which would otherwise be late as often as always-top."""

Hurry = Callable[[Utility], Utility]
"""The same utility with deadlines."""


@dataclass(frozen=True, slots=True)
class Sla:
    """What is asked for."""

    limit_s: Mapping[str, float]
    """By task; a task that is not named has no limit, and its nu is 0."""
    late_share: float = 0.01
    """Of a task's queries, at most: those whose steps take longer than its limit."""


def hurried(sla: Sla, held_out: FloatArray, relative_cost: FloatArray, train: Rows, reach: Reach) -> Hurry:
    """Gives a utility the limits of `sla`, and each task the smallest nu that keeps it on held-out training rows.

    `held_out`: q_k(x, S), shape (states, n, K). `relative_cost`: shape (n, K).
    """
    limit_s = np.array([sla.limit_s.get(name, np.inf) for name in train.task_names])
    latency = fit_latency(train.latency_s, train.task, tasks=len(limit_s), tiers=len(train.tiers))

    def share_late(utility: Utility) -> FloatArray:
        run = replay(held_out, relative_cost, utility, reach, timed(train))
        return late_by_task(run, train, limit_s)

    def with_nu(utility: Utility, nu: NDArray[np.float64]) -> Utility:
        return replace(utility, deadlines=Deadlines(latency, limit_s, nu))

    def hurry(utility: Utility) -> Utility:
        shares = np.stack([share_late(with_nu(utility, np.full(len(limit_s), nu))) for nu in NUS])
        return with_nu(utility, np.array(NUS)[_smallest_that_does(shares, sla.late_share)])

    return hurry


def late_by_task(run: Run, rows: Rows, limit_s: FloatArray) -> FloatArray:
    """Share of each task's queries that took longer than its limit, of those whose latency is known; 0 for none."""
    latency = run.latency_s(rows)
    known = ~np.isnan(latency)
    late = latency > limit_s[rows.task]
    count = np.bincount(rows.task[known], minlength=len(limit_s))
    return np.asarray(np.bincount(rows.task[known & late], minlength=len(limit_s)) / np.maximum(count, 1))


def _smallest_that_does(shares: FloatArray, at_most: float) -> NDArray[np.int64]:
    """By task, the first line of `shares` (nus, tasks) within `at_most`, else the first of the lowest."""
    within = shares <= at_most
    return np.asarray(np.where(within.any(axis=0), within.argmax(axis=0), shares.argmin(axis=0)))
