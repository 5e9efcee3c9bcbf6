"""Weights of a blend: not negative, summing to one, of the least squared error on held-out predictions."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from routenlp.types import FloatArray

EQUAL_ROWS = 200.0
"""Rows' worth of pull towards equal weights: a few rows tell members apart by luck alone."""
_LEAST_PULL = 1e-9
"""Of the errors: members that are the same weigh the same."""
_BELOW_ONE = 1.0 - 8.0 * float(np.finfo(np.float64).eps)
"""So that a blend of ones is not rounded above one."""


def blend_weights(errors: FloatArray) -> FloatArray:
    """Shape (members,). `errors`: held-out prediction minus outcome, shape (members, n), n >= 1.

    Members are few, so each set of them is solved exactly and the best feasible one taken.
    """
    members = len(errors)
    about = errors - errors.mean(axis=0)
    pull = EQUAL_ROWS * float(np.square(about).mean()) + _LEAST_PULL * float(np.square(errors).sum()) + _LEAST_PULL
    gram = errors @ errors.T + pull * np.eye(members)
    aim = np.full(members, pull / members)
    best, least = np.full(members, 1.0 / members), np.inf
    for size in range(1, members + 1):
        for chosen in combinations(range(members), size):
            weights = np.zeros(members)
            weights[list(chosen)] = _summing_to_one(gram[np.ix_(chosen, chosen)], aim[list(chosen)])
            value = float(weights @ gram @ weights - 2.0 * aim @ weights)
            if (weights >= 0.0).all() and value < least:
                best, least = weights, value
    return best * _BELOW_ONE


def _summing_to_one(gram: FloatArray, aim: FloatArray) -> FloatArray:
    """The minimum of w G w - 2 a w under sum w = 1."""
    solved = np.linalg.solve(gram, np.stack([aim, np.ones(len(aim))], axis=1))
    return np.asarray(solved[:, 0] + (1.0 - solved[:, 0].sum()) / solved[:, 1].sum() * solved[:, 1])
