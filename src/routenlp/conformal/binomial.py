"""Exact binomial tails and the confidence bounds that follow from them, in numpy alone.

Probabilities are multiplied outward from the mode, where they are largest, and then scaled to sum to 1: no factorial is
ever formed, so nothing overflows, and what underflows is too small to count.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from routenlp.types import FloatArray

_HALVINGS = 60
"""Of an interval of length 1: to below 1e-18."""


def pmf(n: int, p: float) -> FloatArray:
    """P(B = k) for k = 0 .. n, B binomial (n, p); shape (n + 1,)."""
    if n < 0 or not 0.0 <= p <= 1.0:
        raise ValueError(f"no binomial distribution has n = {n} and p = {p}")
    if p in (0.0, 1.0):
        certain = np.zeros(n + 1)
        certain[0 if p == 0.0 else n] = 1.0
        return certain
    mode = min(n, math.floor((n + 1) * p))
    k = np.arange(n, dtype=np.float64)
    odds = p / (1.0 - p)
    with np.errstate(under="ignore"):
        up = np.cumprod((n - k[mode:]) / (k[mode:] + 1.0) * odds)
        down = np.cumprod(((k[:mode] + 1.0) / (n - k[:mode]) / odds)[::-1])[::-1]
        weights = np.concatenate([down, [1.0], up])
        return np.asarray(weights / weights.sum(), dtype=np.float64)


def cdf(n: int, p: float) -> FloatArray:
    """P(B <= k) for k = 0 .. n; shape (n + 1,). Summed from the small end, so that small tails keep their digits."""
    return np.minimum(np.cumsum(pmf(n, p)), 1.0)


def lower_tail(k: ArrayLike, n: ArrayLike, p: float) -> FloatArray:
    """P(B <= k), B binomial (n, p), elementwise over `k` and `n` of one shape.

    The p-value of "the chance of failure is at least p" for k failures among n rows.
    """
    counts, rows = np.broadcast_arrays(np.asarray(k, dtype=np.int64), np.asarray(n, dtype=np.int64))
    if np.any(counts < 0) or np.any(counts > rows):
        raise ValueError("a count lies outside 0 .. n")
    out = np.empty(counts.shape)
    for distinct in np.unique(rows):
        here = rows == distinct
        out[here] = cdf(int(distinct), p)[counts[here]]
    return out


def upper_bound(k: int, n: int, delta: float) -> float:
    """Largest p that k of n does not refute: P(B <= k) = delta (Clopper and Pearson 1934). 1 at k = n.

    Over draws of the n rows the true chance lies above it with probability at most delta.
    """
    if k >= n:
        return 1.0
    # P(B <= k) falls in p: keep the half where it still exceeds delta.
    return _bisect(lambda p: bool(cdf(n, p)[k] > delta))


def lower_bound(k: int, n: int, delta: float) -> float:
    """Smallest p that k of n does not refute. 0 at k = 0. The mirror image of `upper_bound`."""
    return 1.0 - upper_bound(n - k, n, delta) if k > 0 else 0.0


def largest_count(n: int, p: float, delta: float) -> int | None:
    """k* = max{k : P(B <= k) <= delta}; None where even no failure at all is too likely."""
    passing = int(np.count_nonzero(cdf(n, p) <= delta))
    return passing - 1 if passing else None


def _bisect(stays_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if stays_below(middle) else (low, middle)
    return high
