"""Fits the router's quality estimates: one logistic head per task and tier, on encoder vectors."""

from __future__ import annotations

import warnings

import numpy as np

from routenlp.errors import TrainingError
from routenlp.types import FloatArray

MIN_ROWS = 100
"""Under this many rows a head is only the tier's mean quality: a fit would follow noise."""
RIDGE = 10.0
_EDGE = 1e-3


def fit_heads(rows: FloatArray, quality: FloatArray, *, task: str) -> FloatArray:
    """Weights of shape (tiers, d) such that sigmoid(rows @ w) estimates each tier's expected quality.

    `rows`: `router.estimator.features`, shape (n, d), last column 1. `quality`: graded answers to rows that the tiers
    were not fitted on, shape (n, tiers), in [0, 1]; graded quality is fitted as a soft label.
    """
    if len(rows) == 0:
        raise TrainingError(
            f"router, task {task!r}", "has no rows", "Give graded answers of every tier, or drop the task."
        )
    return np.stack([_head(rows, quality[:, k]) for k in range(quality.shape[1])])


def _head(rows: FloatArray, quality: FloatArray) -> FloatArray:
    mean = float(np.clip(quality.mean(), _EDGE, 1.0 - _EDGE))
    constant = np.zeros(rows.shape[1])
    constant[-1] = np.log(mean / (1.0 - mean))
    if len(rows) < MIN_ROWS or np.ptp(quality) == 0.0:
        return constant
    return _logistic(rows, quality)


def _logistic(rows: FloatArray, quality: FloatArray) -> FloatArray:
    from sklearn.linear_model import LogisticRegression

    scale = rows[:, :-1].std(axis=0)
    scale[scale == 0.0] = 1.0
    centre = rows[:, :-1].mean(axis=0)
    x = (rows[:, :-1] - centre) / scale
    # Standardised columns of a d-wide unit vector: the penalty is per row, so it does not fade as rows grow few.
    model = LogisticRegression(C=RIDGE / rows.shape[1] / 10.0, max_iter=500, tol=1e-6)
    labels = np.concatenate([np.ones(len(x)), np.zeros(len(x))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.concatenate([x, x]), labels, sample_weight=np.concatenate([quality, 1.0 - quality]))
    weights = model.coef_[0] / scale
    return np.concatenate([weights, [float(model.intercept_[0]) - float(weights @ centre)]])
