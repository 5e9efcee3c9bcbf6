"""Rule `quality_ratio`, the default: the routed answers keep at least 1 - eps of the top tier's quality.

Per row, Z = (1 - eps) q_top - q_routed. E Z < 0 says E q_routed > (1 - eps) E q_top, over router, cascade and all tiers
end to end. Each policy's H0: E Z >= 0 is tested by betting, along the fixed list (`walk`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from routenlp.conformal.asymptotic import normal_p_values
from routenlp.conformal.betting import p_values
from routenlp.conformal.conclude import Test, conclude
from routenlp.conformal.groups import Units
from routenlp.conformal.inversion import strongest_claim
from routenlp.conformal.labels_needed import least_for_quality_ratio
from routenlp.conformal.verdict import Found, Method, Verdict
from routenlp.conformal.walk import check_level
from routenlp.types import FloatArray


def quality_ratio(
    routed: ArrayLike,
    top: ArrayLike,
    *,
    eps: float,
    delta: float,
    units: Units,
    asymptotic: bool = False,
    span: float = 1.0,
    start: int = 1,
) -> Verdict:
    """The boldest policy proved to keep E[q_routed] >= (1 - eps) E[q_top].

    Promise: with probability at least 1 - delta over draws of the calibration units, the deployed policy keeps it on
    queries that are exchangeable with them (betting: any n, any distribution; `asymptotic`: as units are added). The
    expectation is over queries, so it says nothing of any single one. Sources: Waudby-Smith and Ramdas 2024 for the
    p-value, Angelopoulos et al. 2021 for the walk.

    `routed`: quality of what each policy answers, shape (G, n), policies in their fixed order. `top`: quality of the
    top tier's answers, shape (n,). `span`: |r q_top - q_routed| is at most this for r in [0, 1]; 1 for qualities in [0,
    1], more for corrected ones (`predictions`). `start`: the first policy to test, from `first_testable` or any other
    choice that does not look at these rows.
    """
    check_level("eps", eps)
    check_level("delta", delta)
    q_routed, q_top = np.atleast_2d(np.asarray(routed, dtype=np.float64)), np.asarray(top, dtype=np.float64)

    def test_at(ratio: float, quality: FloatArray) -> FloatArray:
        sample = units.bounded(ratio * q_top - quality, -span, span)
        return normal_p_values(sample) if asymptotic else p_values(sample, units.order, delta)

    def found(g: int) -> Found:
        mine = q_routed[g - 1]
        bound = strongest_claim(lambda ratio: bool(test_at(ratio, mine) <= delta), 0.0, 1.0)
        at_target = max(bound, 1.0 - eps)  # which the walk has proved; the grid may end a step short of it
        z = (1.0 - eps) * q_top - mine
        return Found(_ratio(units.sums(mine).sum(), units.sums(q_top).sum()), at_target, units.design_effect(z))

    method = Method.NORMAL if asymptotic else Method.BETTING
    least = _least(q_top, eps, delta, units, method, span)
    test = Test("quality_ratio", eps, delta, units, method, start, least)
    return conclude(test, test_at(1.0 - eps, q_routed), Found(1.0, 1.0, None), found)


def _least(q_top: FloatArray, eps: float, delta: float, units: Units, method: Method, span: float) -> float | None:
    if method is Method.NORMAL or units.count == 0:
        return None
    mean = float(units.sums(q_top).mean())
    return least_for_quality_ratio(mean, eps=eps, delta=delta, span=span * units.largest)


def _ratio(routed: float, top: float) -> float | None:
    return float(routed / top) if top > 0.0 else None
