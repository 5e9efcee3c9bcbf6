"""Fits how long tiers take: mean and spread of log latency, shrunk from the task's to the tier's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Latency
from routenlp.types import FloatArray

SHRINK_ROWS = 50.0
"""A task's own mean and variance count n / (n + this) beside the tier's."""
FEWEST = 10
"""Answers under which a tier's latency is not known."""
_LEAST_S = 1e-4
_LEAST_SD = 0.05


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
