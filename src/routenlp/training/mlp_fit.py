"""Fits a small network by Adam (Kingma & Ba 2015) with decoupled decay; how long, by held-out rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from routenlp.router.logistic import logistic
from routenlp.router.mlp import MlpEstimates
from routenlp.router.vectors import task_columns
from routenlp.training.logistic_fit import log_loss
from routenlp.training.outcomes_present import Fitted, check_enough, presents
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

HIDDEN = 32
EPOCHS = 16
_BATCH = 128
_RATE = 2e-3
_DECAY = 0.05
_FIRST, _SECOND, _SMALL = 0.9, 0.999, 1e-8

Weights = list[Vectors]
"""Hidden, shape (columns, h); out, shape (h, K); its offset, shape (1, K)."""


def fit_mlp(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,  # noqa: ARG001 - the contract's arguments
    high: FloatArray,  # noqa: ARG001
) -> Fitted[MlpEstimates]:
    """`targets` in [0, 1], NaN where missing: soft labels. As many epochs as gave the least log-loss on held-out rows.

    Raises `TrainingError` where a tier's outcomes are too few to hold any out.
    """
    for present in presents(targets):
        check_enough(present, 2 * FOLDS)
    centre = features.mean(axis=0)
    scale = np.sqrt(np.square(features - centre).sum(axis=1).mean()) or 1.0
    stretch = np.sqrt(max(features.shape[1], 1)) / scale / 2.0
    x = np.concatenate([(features - centre) * stretch, task_columns(task, tasks), np.ones((len(task), 1))], axis=1)
    x = x.astype(np.float32)
    fold = fold_of_groups(groups, FOLDS, seed)
    held_out = np.empty((EPOCHS, *targets.shape))
    for f in range(FOLDS):
        away = fold == f
        for epoch, weights in enumerate(_epochs(x[~away], targets[~away], seed)):
            held_out[epoch, away] = _forward(x[away], weights)
    best = int(np.nanmean(log_loss(held_out, targets), axis=(1, 2)).argmin())
    hidden, out, offset = next(w for epoch, w in enumerate(_epochs(x, targets, seed)) if epoch == best)
    d = features.shape[1]
    per_feature = hidden[:d] * np.float32(stretch)
    model = MlpEstimates(per_feature, hidden[d:-1] + hidden[-1] - centre @ per_feature, out, offset[0])
    return Fitted(model, held_out[best])


def _forward(x: Vectors, weights: Weights) -> FloatArray:
    hidden, out, offset = weights
    return logistic((np.tanh(x @ hidden) @ out + offset).astype(np.float64))


def _epochs(x: Vectors, targets: FloatArray, seed: int) -> Iterator[Weights]:
    """The weights after each epoch."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(targets)
    y, there = np.where(known, targets, 0.0).astype(np.float32), known.astype(np.float32)
    mean = np.clip((y.sum(axis=0) / np.maximum(there.sum(axis=0), 1.0)), 0.01, 0.99)
    hidden = (rng.standard_normal((x.shape[1], HIDDEN)) / np.sqrt(x.shape[1])).astype(np.float32)
    weights = [hidden, np.zeros((HIDDEN, y.shape[1]), dtype=np.float32), np.log(mean / (1.0 - mean))[None, :]]
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x), _BATCH):
            at = order[start : start + _BATCH]
            step += 1
            slopes = _slopes(x[at], y[at], there[at], weights)
            for i, slope in enumerate(slopes):
                first[i] += (1.0 - _FIRST) * (slope - first[i])
                second[i] += (1.0 - _SECOND) * (slope * slope - second[i])
                size = np.sqrt(second[i] / (1.0 - _SECOND**step)) + _SMALL
                decay = _DECAY * weights[i] if i < 2 else 0.0
                weights[i] = weights[i] - np.float32(_RATE) * (first[i] / (1.0 - _FIRST**step) / size + decay)
        yield list(weights)


def _slopes(x: Vectors, y: Vectors, there: Vectors, weights: Weights) -> Weights:
    """Of the mean log-loss over the outcomes that are there."""
    hidden, out, offset = weights
    active = np.tanh(x @ hidden)
    z = active @ out + offset
    pull = there * (0.5 * (1.0 + np.tanh(0.5 * z)) - y) / np.float32(len(x))
    back = (pull @ out.T) * (1.0 - active * active)
    return [x.T @ back, active.T @ pull, pull.sum(axis=0, keepdims=True)]
