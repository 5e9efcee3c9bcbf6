"""Where the walk of `quality_ratio` begins, chosen on the training fold.

A policy just beside always-top gains nothing and can lose little: with Z near -eps q_top on every row, its proof takes
ln(1/delta) / ln(1 + 0.9 eps q_top) labels (`least_for_quality_ratio`), however good the bolder ones are. With fewer
labels, a walk from policy 1 ends there. A walk may begin anywhere that does not depend on the rows tested.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from routenlp.conformal.betting import LARGEST_STAKE, PRIOR_VARIANCE
from routenlp.conformal.groups import Units
from routenlp.conformal.walk import check_level
from routenlp.types import FloatArray

SURE = 2.5
"""Standard deviations that the fortune is expected to have to spare at the end. From 1.3 to 2.5 it hardly matters where
the first policy is as good as sure; where none is, more is better."""
_STAKES = np.linspace(0.0, 2.0 * LARGEST_STAKE, 13)
_EVEN = 1e-9


def first_testable(
    routed: ArrayLike, top: ArrayLike, *, eps: float, delta: float, units: Units, tested_units: int
) -> int:
    """The first policy whose test is as good as sure to pass on so many units, else the likeliest that holds; from 1.

    `routed`: quality of what each policy answers, shape (G, n), `top`: that of the top tier, shape (n,), on *training*
    rows in their `units`, answered from estimates that had not seen them. It takes what the policies do there for the
    truth, and the normal distribution for that of ln K; where it is mistaken power is lost, and no promise broken. 1
    where there is nothing to go by, and where no policy holds the target.
    """
    check_level("eps", eps)
    check_level("delta", delta)
    q_routed, q_top = np.atleast_2d(np.asarray(routed, dtype=np.float64)), np.asarray(top, dtype=np.float64)
    if q_routed.size == 0 or tested_units == 0:
        return 1
    z = units.sums((1.0 - eps) * q_top - q_routed) / units.largest
    spare = np.array([_spare(policy, tested_units, math.log(1.0 / delta)) for policy in z])
    spare[z.mean(axis=1) >= 0.0] = -np.inf
    sure = np.flatnonzero(spare >= SURE)
    return int(sure[0] if len(sure) else spare.argmax()) + 1


def _spare(z: FloatArray, n: int, goal: float) -> float:
    """How far ln K is expected to end over `goal` after n units, in its standard deviations; z in [-1, 1].

    The stakes are those of `betting`, with the running variance as expected. Mean and variance of what a unit adds are
    smooth functions of the stake: they are taken at a few and read off between them.
    """
    x = (z + 1.0) / 2.0
    seen = np.arange(n)
    variance = (PRIOR_VARIANCE + seen * float(x.var())) / (seen + 1)
    stakes = np.minimum(np.sqrt(2.0 * goal / (n * variance)), _STAKES[-1])
    gains = np.log1p(-_STAKES[:, None] * (x - 0.5))
    mean = np.interp(stakes, _STAKES, gains.mean(axis=1)).sum()
    noise = np.interp(stakes, _STAKES, gains.var(axis=1)).sum()
    return float((mean - goal) / math.sqrt(noise + _EVEN))
