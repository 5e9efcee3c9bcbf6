"""How many calibration labels it would take until what was observed is proved.

Each answer takes the observed shares as the truth and asks from which n on the rule's own p-value would be at most
delta for a sample that looks exactly so. A real sample falls on the unlucky side half of the time, so this is when a
certificate becomes likely, not when it is sure. None: never, because the observed point misses the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from routenlp.conformal.asymptotic import MIN_UNITS
from routenlp.conformal.betting import LARGEST_STAKE, PRIOR_VARIANCE
from routenlp.conformal.binomial import cdf
from routenlp.conformal.walk import check_level
from routenlp.types import FloatArray

MOST = 1_000_000
"""Beyond this many labels the answer is never."""


def for_joint(risk: float, *, alpha: float, delta: float) -> int | None:
    """Smallest n that proves `joint` for a policy that loses a share `risk` of the rows.

    At risk 0 it is the smallest n with a k*: ln(delta) / ln(1 - alpha), 45 at 0.05 and 0.1.
    """
    check_level("alpha", alpha)
    check_level("delta", delta)
    if risk >= alpha:
        return None
    if risk <= 0.0:
        return math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9)
    # Losses are whole: k of them stand for the risk among up to k / risk rows.
    k = _first(lambda k: _proves(math.floor(k / risk), k, alpha, delta), math.ceil(MOST * risk))
    return None if k is None else _first(lambda n: _proves(n, k, alpha, delta), MOST)


def for_conditional(risk: float, accepted_share: float, *, alpha: float, delta: float) -> int | None:
    """Smallest n that proves `conditional` for a policy that accepts this share, `risk` of which fails."""
    if accepted_share <= 0.0:
        return None
    accepted = for_joint(risk, alpha=alpha, delta=delta)
    needed = None if accepted is None else math.ceil(accepted / accepted_share)
    return needed if needed is not None and needed <= MOST else None


def for_quality_ratio(
    routed: ArrayLike, top: ArrayLike, *, eps: float, delta: float, asymptotic: bool = False, span: float = 1.0
) -> int | None:
    """Smallest n that proves `quality_ratio` for a policy, by the drift of its bets (or by its normal statistic).

    `routed`, `top`: observed qualities, shape (n,); `span` as in the rule. For groups give their sums, and as `span`
    the most rows of a group: the answer then counts groups. Never under `least_for_quality_ratio`, and never under 250
    for the normal statistic.
    """
    check_level("eps", eps)
    check_level("delta", delta)
    q_top = np.asarray(top, dtype=np.float64)
    z = (1.0 - eps) * q_top - np.asarray(routed, dtype=np.float64)
    if len(z) == 0 or z.mean() >= 0.0:
        return None
    if asymptotic:
        wanted = NormalDist().inv_cdf(1.0 - delta) ** 2 * float(z.var() / z.mean() ** 2)
        return max(MIN_UNITS, math.ceil(wanted)) if wanted <= MOST else None
    floor = least_for_quality_ratio(float(q_top.mean()), eps=eps, delta=delta, span=span)
    if math.isinf(floor):
        return None
    goal = math.log(1.0 / delta)
    n = _first(lambda n: _growth(z / span, n, goal) >= goal, MOST)
    return None if n is None else max(n, math.ceil(floor))


def least_for_quality_ratio(q_top: float, *, eps: float, delta: float, span: float = 1.0) -> float:
    """Labels under which a policy that only matches the top tier cannot pass: ln(1/delta) / ln(1 + 0.9 eps q_top).

    `q_top`: mean quality of the top tier, over groups the mean sum. About 87 at eps 0.03, delta 0.1 and q_top 1, and
    infinite at q_top 0. `span` as in the rule.
    """
    return _least_bets(eps * q_top / span, delta)


def least_for_group_sums(rows_a_group: float, largest: int, *, alpha: float, delta: float) -> float:
    """Groups under which `joint` cannot pass even without a loss: betting on sums of so many rows on average."""
    return _least_bets(alpha / (1.0 - alpha) * rows_a_group / largest, delta)


def _least_bets(edge: float, delta: float) -> float:
    """Rows until K reaches 1/delta when each multiplies it by 1 + 0.9 edge, which the largest stake gives."""
    return math.log(1.0 / delta) / math.log1p(LARGEST_STAKE * edge) if edge > 0.0 else math.inf


def _proves(n: int, k: int, alpha: float, delta: float) -> bool:
    """Whether k losses among n rows prove a risk of at most alpha."""
    return k < n and bool(cdf(n, alpha)[k] <= delta)


def _growth(z: FloatArray, n: int, goal: float) -> float:
    """ln K after n rows whose running variance is as expected; z in [-1, 1].

    What one row adds on average, mean(ln(1 - l (x - m))), is a smooth function of the stake l: it is taken at a few
    stakes and read off between them.
    """
    x = (z + 1.0) / 2.0
    seen = np.arange(n)
    variance = (PRIOR_VARIANCE + seen * float(x.var())) / (seen + 1)
    largest = LARGEST_STAKE / 0.5
    stakes = np.minimum(np.sqrt(2.0 * goal / (n * variance)), largest)
    grid = np.linspace(0.0, largest, 41)
    gains = np.log1p(-grid[:, None] * (x - 0.5)).mean(axis=1)
    return float(np.interp(stakes, grid, gains).sum())


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """Smallest whole number from 1 to `most` that holds, where all after it hold too."""
    high = 1
    while not holds(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
