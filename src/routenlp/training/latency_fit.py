"""Fits how long tiers take: mean and spread of log latency, shrunk from the task's to the tier's.

Where queries tell more than their task does, what they tell is fitted beside: how much is asked to be read and written
decides how long an endpoint takes, and both can be told from the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Latency
from routenlp.router.latency import LatencyEstimates
from routenlp.router.stack import StackedEstimates
from routenlp.training.stack_fit import FEWEST_OUTCOMES, fit_stack
from routenlp.types import FloatArray, Vectors

SHRINK_ROWS = 50.0
"""A task's own mean and variance count n / (n + this) beside the tier's."""
FEWEST = 10
"""Answers under which a tier's latency is not known."""
LEAST_GAIN = 0.02
"""Of the squared error of ln latency on held-out rows: a tier whose queries tell less of it has its tasks' usual."""
_MEMBERS = ("ridge", "landmarks")
_LEAST_S = 1e-4
_LEAST_SD = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class FittedLatency:
    """How long tiers take, by task and, where that says more, by query."""

    latency: Latency
    model: LatencyEstimates | None = None
    """None where queries tell nothing of any tier."""
    held_out: FloatArray | None = None
    """The same of the training rows by models that had not seen them, shape (n, K)."""


def fit_query_latency(
    latency_s: FloatArray | None,
    features: Vectors,
    task: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    tasks: int,
    tiers: int,
    seed: int,
) -> FittedLatency:
    """`latency_s`: as in `fit_latency`. Of tiers that are kept, spreads are those of held-out rows."""
    usual = fit_latency(latency_s, task, tasks=tasks, tiers=tiers)
    if latency_s is None or not features.shape[1]:
        return FittedLatency(usual)
    off = np.log(np.maximum(latency_s, _LEAST_S)) - usual.log_mean[task]
    enough = np.flatnonzero((~np.isnan(off)).sum(axis=0) >= FEWEST_OUTCOMES)
    if not len(enough):
        return FittedLatency(usual)
    _, held_out = _moved(off, enough, features, task, groups, tasks, seed)
    error, before = np.nanmean((off - held_out)[:, enough] ** 2, axis=0), np.nanmean(off[:, enough] ** 2, axis=0)
    kept = enough[error < (1.0 - LEAST_GAIN) * before]
    if not len(kept):
        return FittedLatency(usual)
    model, held_out = _moved(off, kept, features, task, groups, tasks, seed)
    log_sd = usual.log_sd.copy()
    for k in kept:
        known = ~np.isnan(off[:, k])
        log_sd[:, k] = _shrunk((off - held_out)[known, k], task[known], tasks)[1]
    latency = Latency(usual.log_mean, log_sd)
    return FittedLatency(latency, LatencyEstimates(usual.log_mean, model), usual.log_mean[task] + held_out)


def _moved(
    off: FloatArray,
    tiers: NDArray[np.int64],
    features: Vectors,
    task: NDArray[np.int64],
    groups: NDArray[np.int64],
    tasks: int,
    seed: int,
) -> tuple[StackedEstimates, FloatArray]:
    """Estimates of `off` for these tiers, 0 for the others; and the same held out, shape (n, K)."""
    anything = np.full(len(tiers), np.inf)
    fitted = fit_stack(
        features, task, off[:, tiers], groups, tasks=tasks, seed=seed, low=-anything, high=anything, members=_MEMBERS
    )
    found = fitted.model
    held_out = np.zeros_like(off)
    held_out[:, tiers] = fitted.held_out
    model = StackedEstimates(found.members, found.weights, found.maps, tiers[found.learned], np.zeros(off.shape[1]))
    return model, held_out


def fit_latency(latency_s: FloatArray | None, task: NDArray[np.int64], *, tasks: int, tiers: int) -> Latency:
    """`latency_s`: of recorded answers, shape (n, K), NaN where not known; None where it is known of none."""
    log_mean, log_sd = np.full((tasks, tiers), np.nan), np.full((tasks, tiers), np.nan)
    for k in range(tiers if latency_s is not None else 0):
        assert latency_s is not None
        known = ~np.isnan(latency_s[:, k])
        if known.sum() >= FEWEST:
            logs = np.log(np.maximum(latency_s[known, k], _LEAST_S))
            log_mean[:, k], log_sd[:, k] = _shrunk(logs, task[known], tasks)
    return Latency(log_mean, log_sd)


def _shrunk(logs: FloatArray, task: NDArray[np.int64], tasks: int) -> tuple[FloatArray, FloatArray]:
    """By task, mean and standard deviation. The spread is around the task's shrunk mean."""
    count = np.bincount(task, minlength=tasks)
    own = count / (count + SHRINK_ROWS)
    of_task = np.bincount(task, weights=logs, minlength=tasks) / np.maximum(count, 1)
    mean = own * of_task + (1.0 - own) * logs.mean()
    around = np.bincount(task, weights=(logs - mean[task]) ** 2, minlength=tasks) / np.maximum(count, 1)
    variance = own * around + (1.0 - own) * logs.var()
    return mean, np.maximum(np.sqrt(variance), _LEAST_SD)
