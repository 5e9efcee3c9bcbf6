"""Quality and cost that each tier is expected to deliver: before its answer, and after some answers are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import inner_folds
from routenlp.replay.backtest.baselines.inputs import Inputs, fit_inputs
from routenlp.replay.backtest.baselines.linear_scores import LinearScores, descend, fit_linear, logistic_loss, sigmoid
from routenlp.replay.backtest.rows import Rows
from routenlp.types import FloatArray, Vectors

_EDGE = 1e-3
_RIDGE = 1e-2
_PENALTY = 1e-3
"""Of the fits after answers: a dozen columns on thousands of rows have little to overfit with."""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """Logits of quality, and costs, by tier, from the query alone."""

    inputs: Inputs
    quality: LinearScores
    cost: Vectors
    """Weights of a least-squares fit, (columns, tiers), in shares of `cost_scale`."""
    cost_scale: FloatArray

    def logits(self, rows: Rows) -> Vectors:
        """float32 (n, tiers)."""
        return self.quality.scores(self.inputs.matrix(rows))

    def cost_usd(self, rows: Rows) -> FloatArray:
        """Expected, shape (n, tiers); at least a tenth of the tier's mean, whatever the line through the rows says."""
        share = self.inputs.matrix(rows) @ self.cost
        return np.asarray(np.maximum(share, 0.1) * self.cost_scale)


def fit_before(train: Rows, *, seed: int) -> Before:
    """One logistic layer for the qualities of all tiers, one ridge for their costs."""
    folds = inner_folds(train, seed=seed)
    inputs = fit_inputs(train)
    x = inputs.matrix(train)
    quality = fit_linear(x, logistic_loss(train.quality), len(train.tiers), folds)
    scale = np.maximum(train.cost_usd.mean(axis=0), 1e-12)
    return Before(inputs, quality, _ridge(x, train.cost_usd / scale), scale)


def _ridge(x: Vectors, targets: FloatArray) -> Vectors:
    gram = (x.T @ x).astype(np.float64)
    penalty = np.full(len(gram), _RIDGE * len(x))
    penalty[-1] = 1e-9 * len(x)
    return np.linalg.solve(gram + np.diag(penalty), x.T.astype(np.float64) @ targets).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """Logits of quality once the tiers of `called` have answered: by the logits before, and what those answers say."""

    called: tuple[int, ...]
    centre: Vectors
    scale: Vectors
    weights: Vectors

    def quality(self, rows: Rows, before: Vectors) -> FloatArray:
        """In [0, 1], one column for each output of the fit."""
        x = (_evidence(rows, before, self.called) - self.centre) / self.scale
        return sigmoid(_with_one(x) @ self.weights)


def fit_after(train: Rows, held_out: Vectors, called: Sequence[int], outputs: Sequence[int]) -> After:
    """Logistic fit of the qualities of the tiers in `outputs`. `held_out`: `Before.quality.held_out`."""
    x = _evidence(train, held_out, tuple(called))
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-6] = 1.0
    start = np.zeros((x.shape[1] + 1, len(outputs)), dtype=np.float32)
    loss = logistic_loss(train.quality[:, list(outputs)])
    weights = descend(_with_one((x - centre) / scale), loss, np.arange(train.n), _PENALTY, start)
    return After(tuple(called), centre, scale, weights)


def _evidence(rows: Rows, before: Vectors, called: tuple[int, ...]) -> Vectors:
    """The logits of all tiers; of each tier in `called` its confidence, raw and as a logit, whether it gave one, and
    the logarithm of its answer's length."""
    columns = [before]
    for tier in called:
        given = rows.confidence[:, tier]
        absent = np.isnan(given)
        raw = np.where(absent, 0.5, given)
        inside = np.clip(raw, _EDGE, 1.0 - _EDGE)
        length = np.log1p(np.nan_to_num(rows.answer_length[:, tier]))
        columns.append(np.stack([raw, np.log(inside / (1.0 - inside)), absent, length], axis=1).astype(np.float32))
    return np.concatenate(columns, axis=1)


def _with_one(x: Vectors) -> Vectors:
    return np.concatenate([x, np.ones((len(x), 1), dtype=np.float32)], axis=1)
