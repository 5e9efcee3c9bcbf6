"""Rule `joint`: few queries get an answer from a cheap tier that failed.

A row is *lost* when its final answer comes from another tier than the top one, and failed. Each policy's H0: P(lost) >=
alpha is tested over the whole cascade, along the fixed list (`walk`). Testing tier by tier would be wrong: each tier
would spend alpha, and the cascade their sum.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routenlp.conformal.asymptotic import normal_p_values
from routenlp.conformal.betting import p_values
from routenlp.conformal.binomial import largest_count, lower_tail, upper_bound
from routenlp.conformal.conclude import Test, conclude
from routenlp.conformal.groups import Units
from routenlp.conformal.inversion import strongest_claim
from routenlp.conformal.labels_needed import for_joint, least_for_group_sums
from routenlp.conformal.verdict import Found, Method, Verdict
from routenlp.conformal.walk import check_level
from routenlp.errors import SettingsError
from routenlp.types import FloatArray


def joint(
    lost: ArrayLike,
    *,
    alpha: float,
    delta: float,
    units: Units,
    asymptotic: bool = False,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Verdict:
    """The boldest policy proved to keep P(final answer from a non-top tier, and failed) <= alpha.

    Promise: with probability at least 1 - delta over draws of the calibration units, the deployed policy keeps it on
    queries that are exchangeable with them. Single rows are tested by exact binomial tails, groups by betting on their
    sums; `asymptotic` takes the normal approximation, which gains on the latter alone. Sources: Angelopoulos et al.
    2021 for the walk, Waudby-Smith and Ramdas 2024 for betting.

    `lost`: whether each policy loses each row, shape (G, n), policies in their fixed order. `bounds`: of each value;
    others than 0 and 1 are for corrected losses (`predictions`), which betting takes.
    """
    check_level("alpha", alpha)
    check_level("delta", delta)
    losses = np.atleast_2d(np.asarray(lost, dtype=np.float64))
    method = _method(units, asymptotic, bounds)

    def test_at(level: float, loss: FloatArray) -> FloatArray:
        if method is Method.EXACT_BINOMIAL:
            return lower_tail(_counts(units.sums(loss)), units.count, level)
        sample = units.bounded(loss - level, bounds[0] - level, bounds[1] - level)
        return normal_p_values(sample) if asymptotic else p_values(sample, units.order, delta)

    def found(g: int) -> Found:
        mine = losses[g - 1]
        if method is Method.EXACT_BINOMIAL:
            bound = upper_bound(int(_counts(units.sums(mine))), units.count, delta)
        else:
            bound = strongest_claim(lambda level: bool(test_at(level, mine) <= delta), 1.0, 0.0)
        risk = float(units.sums(mine).sum() / len(units.rows))
        return Found(risk, min(bound, alpha), units.design_effect(mine))

    test = Test("joint", alpha, delta, units, method, least=_least(alpha, delta, units, method, bounds))
    return conclude(test, test_at(alpha, losses), Found(0.0, 0.0, None), found)


def single_tier_threshold(scores: FloatArray, failed: NDArray[np.bool_], alpha: float, delta: float) -> float | None:
    """Closed form of `joint` for one cheap tier whose policies are all thresholds: accept if score <= threshold.

    With k* = max{k : P(Binomial(n, alpha) <= k) <= delta}: the largest calibrated score strictly below the (k* + 1)-th
    smallest score among failed answers; infinity (accept everything) where at most k* failed; None (escalate
    everything) without a k* (under 45 rows at 0.05 and 0.1) and where no score lies below. Shapes (n,).
    """
    k = largest_count(len(scores), alpha, delta)
    if k is None:
        return None
    wrong = np.sort(scores[failed])
    if len(wrong) <= k:
        return math.inf
    below = scores[scores < wrong[k]]
    return float(below.max()) if len(below) else None


def _method(units: Units, asymptotic: bool, bounds: tuple[float, float]) -> Method:
    if asymptotic:
        return Method.NORMAL
    return Method.BETTING if units.largest > 1 or bounds != (0.0, 1.0) else Method.EXACT_BINOMIAL


def _least(alpha: float, delta: float, units: Units, method: Method, bounds: tuple[float, float]) -> float | None:
    if method is Method.EXACT_BINOMIAL:
        return for_joint(0.0, alpha=alpha, delta=delta)
    if method is Method.NORMAL or bounds != (0.0, 1.0) or units.count == 0:
        return None
    return least_for_group_sums(len(units.rows) / units.count, units.largest, alpha=alpha, delta=delta)


def _counts(loss: FloatArray) -> NDArray[np.int64]:
    if not np.isin(loss, (0.0, 1.0)).all():
        raise SettingsError(
            "bounds", "are (0, 1), and some losses are neither 0 nor 1", "Give the losses' true bounds."
        )
    return np.asarray(loss.sum(axis=-1), dtype=np.int64)
