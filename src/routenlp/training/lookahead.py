"""Fits what an answer is worth as information: fitted value iteration over the states, dearest first.

For each state and tier, the rule is played on from there over the training rows, deciding by held-out estimates and
paid in recorded quality; what that brings beyond the plan that learns nothing from the answer is regressed on
`option_terms`. Taking the plan's own recorded result as the yardstick cancels most of the noise, and where nothing was
learned the difference is zero. A maximum over estimates is never a target, for it is too high by their noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.decision import (
    TERMS,
    Reach,
    Utility,
    best_so_far,
    option,
    option_terms,
    ways_on,
    with_margin,
)
from routenlp.types import FloatArray

PENALTY = 50.0
"""Rows' worth of belief that information is worth nothing."""


def fit_options(
    held_out: FloatArray,
    quality: FloatArray,
    relative_cost: FloatArray,
    price: float,
    margin: float,
    reach: Reach = Reach.DEARER,
) -> Utility:
    """The utility with its options. `held_out`: q_k(x, S), shape (states, n, K); `quality`, `relative_cost`: (n, K)."""
    states, n, tiers = held_out.shape
    options = np.zeros((states, tiers, TERMS))
    paid, rows = with_margin(quality, margin), np.arange(n)
    gained: dict[int, FloatArray] = {}
    for state in reversed(range(states)):
        worth = with_margin(held_out[state], margin)
        best, answer = best_so_far(worth, state)
        result = paid[rows, answer]
        stop = best
        for k in np.flatnonzero(reach.allows(state, tiers)).tolist():
            after, own, costs = gained[state | 1 << k], worth[:, k], price * relative_cost[:, k]
            plan = _plan(worth, stop, answer, k, relative_cost, price, reach)
            value = np.maximum(own, plan.otherwise) - costs
            if state or k < tiers - 1:
                terms = option_terms(own, plan.otherwise)
                without = paid[rows, plan.tier] - price * plan.paid
                options[state, k] = _regress(terms, after - without)
                value += option(options[state, k], terms)
            result = np.where(value > best, after - costs, result)
            best = np.maximum(best, value)
        gained[state] = result
    return Utility(price, margin, options)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What would be done after a call that teaches nothing."""

    tier: NDArray[np.int64]
    """Whose answer would be returned."""
    paid: FloatArray
    """For getting there."""
    otherwise: FloatArray
    """Worth of the best way that does not end with the answer called for."""


def _plan(
    worth: FloatArray,
    stop: FloatArray,
    answer: NDArray[np.int64],
    k: int,
    relative_cost: FloatArray,
    price: float,
    reach: Reach,
) -> _Plan:
    tier, otherwise, spent = answer.copy(), stop, np.zeros(len(worth))
    for later, paid in ways_on(k, relative_cost, reach):
        value = worth[:, later] - price * paid
        better = value > otherwise
        tier, spent, otherwise = (
            np.where(better, later, tier),
            np.where(better, paid, spent),
            np.maximum(otherwise, value),
        )
    own = worth[:, k] >= otherwise
    return _Plan(np.where(own, k, tier), np.where(own, 0.0, spent), otherwise)


def _regress(terms: tuple[FloatArray, ...], target: FloatArray) -> FloatArray:
    x = np.stack(terms, axis=1)
    scale = np.sqrt((x * x).mean(axis=0)) + 1e-9
    x = x / scale
    return np.asarray(np.linalg.solve(x.T @ x + PENALTY * np.eye(TERMS), x.T @ target) / scale)
