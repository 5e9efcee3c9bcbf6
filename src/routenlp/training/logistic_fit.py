"""Fits one logistic layer for the qualities of all tiers; graded quality is a soft label."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from routenlp.router.logistic import LogisticEstimates, logistic
from routenlp.router.vectors import task_columns
from routenlp.training.lbfgs import minimise
from routenlp.training.outcomes_present import Fitted, check_enough, presents
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

PENALTIES = (3e-2, 1e-2, 3e-3, 1e-3)
"""Of the mean loss, from the strongest on: each fit begins where the last ended."""
_STEPS = 60
_TOLERANCE = 1e-4


def fit_logistic(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,  # noqa: ARG001 - the contract's arguments
    high: FloatArray,  # noqa: ARG001
) -> Fitted[LogisticEstimates]:
    """For each tier, with the penalty of the least log-loss on held-out rows. `targets` in [0, 1], NaN where missing.

    Features are centred and scaled by one number, so that a typical row is as long as a task's column: one penalty
    suits both. Raises `TrainingError` where a tier's outcomes are too few to hold any out.
    """
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
    centre = features.mean(axis=0)
    scale = np.sqrt(np.square(features - centre).sum(axis=1).mean()) or 1.0
    x = np.concatenate([(features - centre) / scale, task_columns(task, tasks), np.ones((len(task), 1))], axis=1)
    x = x.astype(np.float32)
    fold = fold_of_groups(groups, FOLDS, seed)
    held_out = np.empty((len(PENALTIES), *targets.shape))
    for f in range(FOLDS):
        away = fold == f
        for i, weights in enumerate(_path(x[~away], targets[~away], len(PENALTIES))):
            held_out[i, away] = logistic(x[away] @ weights)
    best, tier = _losses(held_out, targets).argmin(axis=0), np.arange(targets.shape[1])
    chosen = np.stack(_path(x, targets, int(best.max()) + 1))[best, :, tier].T
    d = features.shape[1]
    per_feature = np.asarray(chosen[:d] / scale, dtype=np.float32)
    offsets = chosen[d:-1].astype(np.float64) + chosen[-1] - centre @ per_feature
    return Fitted(LogisticEstimates(per_feature, offsets), np.asarray(held_out[best, :, tier].T))


def log_loss(predicted: FloatArray, targets: FloatArray) -> FloatArray:
    """Of each estimate, with `predicted` kept a thousandth away from 0 and 1; NaN where the outcome is missing."""
    p = np.clip(predicted, 1e-3, 1.0 - 1e-3)
    return np.asarray(-targets * np.log(p) - (1.0 - targets) * np.log1p(-p))


def _losses(held_out: FloatArray, targets: FloatArray) -> FloatArray:
    return np.asarray(np.nanmean(log_loss(held_out, targets), axis=1))


def _path(x: Vectors, targets: FloatArray, count: int) -> list[Vectors]:
    """Weights, shape (d, K), for the first `count` penalties."""
    known = ~np.isnan(targets)
    y = np.where(known, targets, 0.0).astype(np.float32)
    share = (known / np.maximum(known.sum(axis=0), 1)).astype(np.float32)
    decay = np.ones((x.shape[1], 1), dtype=np.float32)
    decay[-1] = 1e-3
    weights = np.zeros((x.shape[1], y.shape[1]), dtype=np.float32)
    out = []
    for penalty in PENALTIES[:count]:
        loss = partial(_loss, x, y, share, np.float32(penalty) * decay)
        weights = minimise(loss, weights.ravel(), max_steps=_STEPS, tolerance=_TOLERANCE).reshape(weights.shape)
        out.append(weights)
    return out


def _loss(x: Vectors, y: Vectors, share: Vectors, pull: Vectors, flat: Vectors) -> tuple[float, Vectors]:
    """`share`: of each outcome in its tier's mean, 0 where it is missing. `pull`: penalty by column."""
    w = flat.reshape(x.shape[1], y.shape[1])
    z = x @ w
    value = share * (np.logaddexp(np.float32(0.0), z) - y * z)
    slope = share * (np.float32(0.5) * (np.float32(1.0) + np.tanh(np.float32(0.5) * z)) - y)
    return float(value.sum() + 0.5 * (pull * w * w).sum()), (x.T @ slope + pull * w).ravel()
