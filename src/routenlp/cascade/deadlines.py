"""Time: how likely each tier's answer comes too late, and which tiers are out of the question in the time left.

A tier's latency is log-normal, around what the router expects of the query where it says, else around what is usual of
its task. With r seconds of a task's limit left, an answer of tier k is late with
P(latency_k > r); that costs nu of its quality. A tier that is more likely late than not, whose median is over r, is
*infeasible* and not called. Where a task has no limit, or a tier's latency is not known, nothing is said of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts

MOST_LATE = 0.5
"""A tier that is late with a chance over this is infeasible."""
_Z = np.linspace(-8.0, 8.0, 3_201)
_TAIL = np.array([math.erfc(z / math.sqrt(2.0)) / 2.0 for z in _Z.tolist()])
_TAIL[[0, -1]] = 1.0, 0.0  # where there is no limit, nothing is late at all


def normal_tail(z: FloatArray) -> FloatArray:
    """P(Z > z) of a standard normal Z, from a table 0.005 apart: within 1e-6. NaN stays NaN."""
    return np.asarray(np.interp(z, _Z, _TAIL))


@dataclass(frozen=True, slots=True, eq=False)
class Latency:
    """Of every tier by task, log-normal; in seconds."""

    log_mean: FloatArray
    """Of ln(latency), shape (tasks, K); NaN where nothing is known."""
    log_sd: FloatArray
    """Its standard deviation around that or, where the router expects a latency of each query, around what it expects;
    shape (tasks, K), positive; NaN where nothing is known."""

    def late(self, task: NDArray[np.int64], left_s: FloatArray, log_median: FloatArray | None = None) -> FloatArray:
        """P(latency > what is left), shape (n, K); NaN where nothing is known. `left_s`: (n,); none left is late.

        `log_median`: ln of the seconds expected of these queries, shape (n, K), NaN where the task's usual is taken.
        """
        with np.errstate(divide="ignore"):
            log_left = np.log(np.maximum(left_s, 0.0))
        usual = self.log_mean[task]
        middle = usual if log_median is None else np.where(np.isnan(log_median), usual, log_median)
        return normal_tail((log_left[:, None] - middle) / self.log_sd[task])


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """What lateness says of n queries at one moment."""

    penalty: FloatArray
    """nu P(latency > what is left), shape (n, K)."""
    feasible: NDArray[np.bool_]
    """Shape (n, K)."""

    def at(self, rows: NDArray[np.bool_]) -> Late:
        """The same of some queries."""
        return Late(self.penalty[rows], self.feasible[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Deadlines:
    """The limit of every task, and what a late answer costs."""

    latency: Latency
    limit_s: FloatArray
    """Of each task, shape (tasks,), from the query's arrival to the answer; infinite where there is none."""
    nu: FloatArray
    """Of each task, shape (tasks,), in quality units: what a late answer loses. 0 or more."""

    def weigh(self, task: NDArray[np.int64], spent_s: FloatArray, log_median: FloatArray | None = None) -> Late:
        """`spent_s`: of each query so far, shape (n,). `log_median`: as in `Latency.late`."""
        late = self.latency.late(task, self.limit_s[task] - spent_s, log_median)
        late[np.isnan(late)] = 0.0
        return Late(self.nu[task][:, None] * late, late <= MOST_LATE)

    def taken(self, task: NDArray[np.int64], k: NDArray[np.int64], latency_s: FloatArray) -> FloatArray:
        """Seconds that answers of tiers `k` took, shape (n,): where not measured, the median; where unknown, 0."""
        usual = np.exp(self.latency.log_mean[task, k])
        return np.nan_to_num(np.where(np.isnan(latency_s), usual, latency_s), nan=0.0)

    def parts(self) -> Parts:
        """For storage."""
        arrays = {"log_mean": self.latency.log_mean, "log_sd": self.latency.log_sd}
        return Parts("cascade/deadlines", {**arrays, "limit_s": self.limit_s, "nu": self.nu}, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> Deadlines:
        """The inverse of `parts`; raises `KeyError` where an array is missing."""
        of = {name: np.asarray(array, dtype=np.float64) for name, array in parts.arrays.items()}
        return cls(Latency(of["log_mean"], of["log_sd"]), of["limit_s"], of["nu"])
