"""A p-value for the mean of bounded variables, by betting against it (Waudby-Smith and Ramdas 2024).

H0: E Z >= 0, for Z in [low, high]. Scaled to X = (Z - low) / (high - low) in [0, 1] with m = -low / (high - low), H0
says E X >= m. A gambler starts with 1 and stakes l_i on the next X falling under m; the fortune

    K_t = prod_{i <= t} (1 - l_i (X_i - m)),    l_i = min(sqrt(2 ln(1/delta) / (n s2_{i-1})), 0.9 / (1 - m)),

is never negative and, under H0, is not expected to grow: stakes look only at the past (s2_i is the running variance,
with one made-up observation, s2_0 = 1/4). By Ville's inequality max_t K_t exceeds 1/p with probability at most p. This
holds for every distribution and every n; n enters only the stakes, which are best when the whole sample is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError
from routenlp.types import FloatArray

PRIOR_VARIANCE = 0.25
"""s2_0: of a fair coin, the largest that [0, 1] allows."""
LARGEST_STAKE = 0.9
"""Of the fortune that the worst X could take, so that no single row can ruin it."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Bounded:
    """One variable for each policy and exchangeable unit, with bounds known before any row was seen."""

    z: FloatArray
    """Shape (..., units)."""
    low: float
    """Below 0."""
    high: float
    """Above 0."""


def p_values(sample: Bounded, order: NDArray[np.int64], delta: float) -> FloatArray:
    """p-values of H0: E Z >= 0, shape (...) for `sample.z` of shape (..., units). 1 where there is no unit.

    Promise: under H0, P(p <= u) <= u for every u, over draws of exchangeable units, whatever their distribution and
    number. `order`: a permutation of the units, drawn independently of their values. `delta`: the level at which the
    p-values will be read, which the stakes are tuned to.
    """
    z = check_bounds(sample).z
    n = z.shape[-1]
    if not np.array_equal(np.sort(order), np.arange(n)):
        raise DataError("row order", f"is no permutation of {n} units", "Give every unit its place, once.")
    if n == 0:
        return np.ones(z.shape[:-1])
    m = -sample.low / (sample.high - sample.low)
    x = (z[..., order] - sample.low) / (sample.high - sample.low)
    gains = np.log1p(-_stakes(x, m, delta) * (x - m))
    best = np.max(np.cumsum(gains, axis=-1), axis=-1)
    return np.asarray(np.exp(-np.maximum(best, 0.0)), dtype=np.float64)


def check_bounds(sample: Bounded) -> Bounded:
    """Refuse a variable outside its bounds, or NaN: the promise rests on them."""
    if not sample.low < 0.0 < sample.high:
        raise DataError("bounds", f"are [{sample.low}, {sample.high}]", "They must enclose 0.")
    slack = _ROUNDING * (sample.high - sample.low)
    inside = (sample.z >= sample.low - slack) & (sample.z <= sample.high + slack)
    if not inside.all():
        raise DataError(
            "tested variables",
            f"{np.count_nonzero(~inside)} are NaN or outside [{sample.low:g}, {sample.high:g}]",
            "Qualities and losses must lie in [0, 1]; drop, and count, rows that have none.",
        )
    return sample


def _stakes(x: FloatArray, m: float, delta: float) -> FloatArray:
    """l_i for i = 1 .. n, each from the rows before i alone. Shape of `x`."""
    n = x.shape[-1]
    seen = np.arange(2, n + 2)
    mean = (0.5 + np.cumsum(x, axis=-1)) / seen
    variance = (PRIOR_VARIANCE + np.cumsum((x - mean) ** 2, axis=-1)) / seen
    before = np.concatenate([np.full((*x.shape[:-1], 1), PRIOR_VARIANCE), variance[..., :-1]], axis=-1)
    wanted = np.sqrt(2.0 * math.log(1.0 / delta) / (n * before))
    return np.asarray(np.minimum(wanted, LARGEST_STAKE / (1.0 - m)), dtype=np.float64)
