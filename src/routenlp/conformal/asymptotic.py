"""p-values by the central limit theorem: sharper than betting at the same n, and exact only in the limit.

H0: E Z >= 0. With mean and standard deviation s of the n units, p = Phi(mean sqrt(n) / s). The error vanishes like 1 /
sqrt(n); it is worst where losses are rare and large. s^2 is therefore never taken under what it were had one unit of
the n been at its upper bound, so that a sample without a single loss is not taken as proof that there are none.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from routenlp.conformal.betting import Bounded, check_bounds
from routenlp.types import FloatArray

MIN_UNITS = 250
"""Under this many exchangeable units the approximation is not offered as a proof of any kind."""


def normal_p_values(sample: Bounded) -> FloatArray:
    """Approximate p-values of H0: E Z >= 0, shape (...) for `sample.z` of shape (..., units). 1 under two units.

    Promise: P(p <= u) tends to at most u under H0 as units are added; source: any text on the z-test.
    """
    z = check_bounds(sample).z
    n = z.shape[-1]
    if n < 2:
        return np.ones(z.shape[:-1])
    least = (sample.high / n) ** 2 * (n - 1)
    variance = np.maximum(z.var(axis=-1, ddof=1), least)
    statistic = z.mean(axis=-1) * np.sqrt(n / variance)
    below = NormalDist().cdf
    return np.asarray(np.vectorize(below, otypes=[np.float64])(statistic), dtype=np.float64)
