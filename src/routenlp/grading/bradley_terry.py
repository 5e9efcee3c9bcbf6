"""Outcomes from preferences: Bradley-Terry strengths of tiers, regularised, in numpy (Bradley & Terry 1952).

P(a beats b) = sigmoid(z_a - z_b), a tie being half a win for each. Only differences are seen, so strengths have mean
zero over tiers, and sigmoid(z_a) is the chance of winning against an answer of mean strength: a quality in (0, 1)
for order, not a measured one. A Gaussian prior keeps every strength finite, whatever circles the wins run in.
"""

from __future__ import annotations

import numpy as np

from routenlp.grading.preferences import PreferencePairs
from routenlp.types import FloatArray

_STEPS = 50
_LONGEST_MOVE = 2.0
_CLOSE = 1e-9


def strengths(wins: FloatArray, prior: FloatArray, penalty: float) -> FloatArray:
    """Strengths z, shape (n, tiers), that minimise -sum wins_ab log sigmoid(z_a - z_b) + penalty |z - prior|^2 / 2.

    `wins`: shape (n, tiers, tiers), n problems apart from one another. `prior`: shape (n, tiers). `penalty` > 0.
    Strictly convex, so every n has one solution; by Newton's method with moves kept short.
    """
    z = prior.copy()
    both = wins + wins.transpose(0, 2, 1)
    for _ in range(_STEPS):
        beats = 1.0 / (1.0 + np.exp(-np.clip(z[:, :, None] - z[:, None, :], -30.0, 30.0)))
        gradient = (both * beats - wins).sum(axis=2) + penalty * (z - prior)
        curvature = both * beats * (1.0 - beats)
        hessian = -curvature
        diagonal = np.arange(wins.shape[1])
        hessian[:, diagonal, diagonal] += curvature.sum(axis=2) + penalty
        move = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        far = np.abs(move).max(axis=1, initial=0.0)
        z = z - move * np.minimum(1.0, _LONGEST_MOVE / np.maximum(far, 1e-12))[:, None]
        if far.max(initial=0.0) < _CLOSE:
            break
    return z


def outcomes_from_preferences(pairs: PreferencePairs, rows: int, tiers: int, *, penalty: float = 1.0) -> FloatArray:
    """Quality-like outcomes, shape (rows, tiers), NaN where a query's tier was never compared.

    sigmoid of a query's strengths, which its own preferences pull away from the tiers' strengths over all queries:
    `penalty` is how many comparisons that prior weighs. For estimators that take outcomes and know no preferences.
    """
    wins = pairs.wins(rows, tiers)
    overall = strengths(wins.sum(axis=0, keepdims=True), np.zeros((1, tiers)), penalty)
    own = strengths(wins, np.repeat(overall, rows, axis=0), penalty)
    compared = (wins + wins.transpose(0, 2, 1)).sum(axis=2) > 0.0
    return np.where(compared, 1.0 / (1.0 + np.exp(-own)), np.nan)
