"""Evidence that may be looked at after every row: an e-process for the mean of bounded variables, by betting.

H0: E[Z_t | the rows before] >= 0, for Z in [low, high]. Scaled to X = (Z - low) / (high - low) with m = -low / (high -
low), as in `betting`. Several gamblers begin with equal parts of 1 and stake a fixed share each on X falling under m:

    K_t = mean over j of prod_{i <= t} (1 - l_j (X_i - m)),    l_j = c_j / (1 - m),  c_j in STAKES

Every factor is positive, and under H0 K_t is not expected to grow, whatever the rows before have shown. So the chance
that K_t *ever* reaches 1 / delta is at most delta (Ville 1939): one may look after each row, and stop when one likes.
Fixed stakes need no n, which a stream does not have; a mean over stakes is within a factor of their number of the best.
"""

from __future__ import annotations

import math

import numpy as np

from routenlp.conformal.betting import Bounded, check_bounds
from routenlp.types import FloatArray

STAKES = (0.1, 0.3, 0.6, 0.95)
"""Of the fortune, lost at the worst X. The mean is at most ln 4 behind the best of them; more stakes, more behind."""


def log_evidence(sample: Bounded) -> FloatArray:
    """ln K_t after each row, shape (..., n) for `sample.z` of shape (..., n), rows in the order in which they came.

    A row with Z = 0 leaves the fortune as it is: how a stream is told that a row is not one of its own.
    """
    z = check_bounds(sample).z
    m = -sample.low / (sample.high - sample.low)
    x = (z - sample.low) / (sample.high - sample.low)
    paths = np.stack([np.cumsum(np.log1p(-(c / (1.0 - m)) * (x - m)), axis=-1) for c in STAKES])
    return log_mean(paths)


def log_mean(logs: FloatArray) -> FloatArray:
    """ln of the mean of exp over the first axis. A mean of e-processes over the same rows is one again."""
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).mean(axis=0)))


def first_crossing(path: FloatArray, delta: float) -> int | None:
    """After how many rows ln K_t, shape (n,), first reached ln(1 / delta); None: it never did."""
    over = np.flatnonzero(path >= math.log(1.0 / delta))
    return int(over[0]) + 1 if len(over) else None


def best(path: FloatArray) -> float:
    """The largest ln K_t so far, and at least that of the start, 0."""
    return max(0.0, float(path.max())) if path.size else 0.0
