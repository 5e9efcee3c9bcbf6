"""Rule `conditional`: of the answers that do not come from the top tier, few failed.

Given which rows a policy accepts, their failures are as good as tosses of one coin, so that an exact binomial tail on
the accepted rows tests H0: P(failed | answered by a non-top tier) >= alpha. Over groups, Z = 1{accepted} (1{failed} -
alpha) is summed, and E Z < 0 says the same. Cautious policies accept too few rows to prove anything, so the walk begins
where the training fold predicts enough of them; a first test that fails ends it at always-top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from routenlp.conformal.asymptotic import normal_p_values
from routenlp.conformal.betting import p_values
from routenlp.conformal.binomial import lower_tail, upper_bound
from routenlp.conformal.conclude import Test, conclude
from routenlp.conformal.groups import Units
from routenlp.conformal.inversion import strongest_claim
from routenlp.conformal.labels_needed import for_conditional
from routenlp.conformal.verdict import Found, Method, Verdict
from routenlp.conformal.walk import check_level
from routenlp.types import FloatArray


def conditional(
    accepted: ArrayLike,
    failed: ArrayLike,
    *,
    alpha: float,
    delta: float,
    units: Units,
    start: int = 1,
    asymptotic: bool = False,
) -> Verdict:
    """The boldest policy proved to keep P(failed | answered by a non-top tier) <= alpha.

    Promise: with probability at least 1 - delta over draws of the calibration units, the deployed policy keeps it on
    queries that are exchangeable with them; the probability is over those of them that it answers without the top tier.
    Often no policy passes, and always-top serves. Sources as for `joint`.

    `accepted`: whether each policy answers each row from a non-top tier, `failed`: whether its final answer failed;
    bool, shape (G, n), policies in their fixed order. `start`: the first policy to test, from `most_testable` or any
    other choice that does not look at these rows.
    """
    check_level("alpha", alpha)
    check_level("delta", delta)
    taken = np.atleast_2d(np.asarray(accepted, dtype=bool))
    wrong = taken & np.atleast_2d(np.asarray(failed, dtype=bool))
    exact = not (units.largest > 1 or asymptotic)

    def summed(level: float, rows: FloatArray) -> FloatArray:
        sample = units.bounded(rows, -level, 1.0 - level)
        return normal_p_values(sample) if asymptotic else p_values(sample, units.order, delta)

    def found(g: int) -> Found:
        mine, bad = taken[g - 1], wrong[g - 1]
        count, failures = float(units.sums(mine).sum()), float(units.sums(bad).sum())
        if exact:
            bound = upper_bound(int(failures), int(count), delta)
        else:
            bound = strongest_claim(lambda level: bool(summed(level, bad - level * mine) <= delta), 1.0, 0.0)
        return Found(failures / count, min(bound, alpha), units.design_effect(bad - alpha * mine))

    if exact:
        p = lower_tail(units.sums(wrong).sum(axis=-1), units.sums(taken).sum(axis=-1), alpha)
    else:
        p = summed(alpha, wrong - alpha * taken)
    method = Method.EXACT_BINOMIAL if exact else Method.NORMAL if asymptotic else Method.BETTING
    least = _least(units.sums(taken), alpha, delta, start) if exact else None
    return conclude(Test("conditional", alpha, delta, units, method, start, least), p, Found(None, None, None), found)


def _least(taken: FloatArray, alpha: float, delta: float, start: int) -> float | None:
    """Labels until the first policy of the walk, which accepts the share that it does, accepts enough."""
    if start > len(taken) or taken.shape[1] == 0:
        return None
    return for_conditional(0.0, float(taken[start - 1].mean()), alpha=alpha, delta=delta)


def most_testable(accepted: ArrayLike, failed: ArrayLike, *, alpha: float) -> int:
    """Where the training fold says that a test of `conditional` is surest to pass: the first policy for a walk, from 1.

    The policy with the largest (alpha - r) sqrt(a), r its share of failures among the a rows that it accepts. Where r
    is over alpha throughout, no walk will get anywhere and any start serves. Shapes (G, n), of *training* rows.
    """
    taken = np.atleast_2d(np.asarray(accepted, dtype=bool))
    count = taken.sum(axis=-1)
    failures = (taken & np.atleast_2d(np.asarray(failed, dtype=bool))).sum(axis=-1)
    margin = (alpha * count - failures) / np.sqrt(np.maximum(count, 1))
    return int(np.argmax(margin)) + 1 if len(margin) else 1
