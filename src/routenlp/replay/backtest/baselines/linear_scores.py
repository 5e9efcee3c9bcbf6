"""Linear scores of a query under any smooth loss: the fit that the learned baselines share.

The papers fine-tune language models of 100M parameters and more. A backtest on one core cannot; it gives every system
the same fixed features and a linear layer on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import Positions
from routenlp.training.lbfgs import minimise
from routenlp.types import FloatArray, Vectors

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)
"""Tried from the strongest on, each fit beginning where the last ended."""
_MAX_STEPS = 80
_TOLERANCE = 1e-4


class Loss(Protocol):
    """What scores cost on some of the training rows."""

    def __call__(self, scores: Vectors, at: Positions) -> tuple[float, Vectors]:
        """Mean loss of `scores`, float32 (rows, outputs), of the rows at positions `at`, and its gradient."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LinearScores:
    """`weights`: float32 (columns, outputs). `held_out`: scores of the training rows by fits that had not seen them."""

    weights: Vectors
    held_out: Vectors

    def scores(self, x: Vectors) -> Vectors:
        """float32 (n, outputs)."""
        return np.asarray(x @ self.weights)


def fit_linear(x: Vectors, loss: Loss, outputs: int, folds: Sequence[tuple[Positions, Positions]]) -> LinearScores:
    """Minimises mean loss + penalty |W|^2 / 2; the penalty with the least loss on held-out rows is taken.

    The last column of `x` is 1, and its weights are not penalised. Where the folds hold nothing out, the strongest
    penalty is taken.
    """
    penalties = PENALTIES if len(folds) > 1 else PENALTIES[:1]
    held_out = [np.empty((len(x), outputs), dtype=np.float32) for _ in penalties]
    for fit_on, look_at in folds:
        seen, unseen = x[fit_on], x[look_at]
        weights = np.zeros((x.shape[1], outputs), dtype=np.float32)
        for penalty, kept in zip(penalties, held_out, strict=True):
            weights = descend(seen, loss, fit_on, penalty, weights)
            kept[look_at] = unseen @ weights
    every = np.arange(len(x))
    best = int(np.argmin([loss(kept, every)[0] for kept in held_out]))
    start = np.zeros((x.shape[1], outputs), dtype=np.float32)
    return LinearScores(descend(x, loss, every, penalties[best], start), held_out[best])


def descend(rows: Vectors, loss: Loss, at: Positions, penalty: float, start: Vectors) -> Vectors:
    """Weights for the inputs `rows` of the training rows at positions `at`, beginning at `start`."""
    decay = np.full((rows.shape[1], 1), penalty, dtype=np.float32)
    decay[-1] = 0.0

    def penalised(flat: Vectors) -> tuple[float, Vectors]:
        weights = flat.reshape(start.shape)
        value, pull = loss(rows @ weights, at)
        pulled = decay * weights
        return value + 0.5 * float(np.vdot(weights, pulled)), (rows.T @ pull + pulled).ravel()

    return minimise(penalised, start.ravel(), max_steps=_MAX_STEPS, tolerance=_TOLERANCE).reshape(start.shape)


def sigmoid(scores: Vectors | FloatArray) -> FloatArray:
    """float64, of the same shape."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores.astype(np.float64))))


def logistic_loss(targets: FloatArray) -> Loss:
    """Cross-entropy with `targets` in [0, 1], shape (n, outputs), summed over the outputs: graded quality is soft."""
    soft = targets.astype(np.float32)

    def loss(scores: Vectors, at: Positions) -> tuple[float, Vectors]:
        y = soft[at]
        value = np.logaddexp(np.float32(0.0), scores) - y * scores
        pull = (sigmoid(scores) - y) / len(at)
        return float(value.sum()) / len(at), pull.astype(np.float32)

    return loss
