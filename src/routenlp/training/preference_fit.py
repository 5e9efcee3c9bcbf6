"""Fits tiers' strengths on preferences, alone or beside graded outcomes.

One set of logits z_k serves both: a graded outcome q_k is fitted by sigmoid(z_k), a preference by sigmoid(z_a - z_b)
(Bradley-Terry). The two say the same only of answers that are right or wrong independently; tiers tend to fail on the
same queries, so weigh preferences by how far they are news (docs/decisions/preferences.md). Convex with a ridge, so
preferences that run in a circle or contradict one another are averaged over, and nothing diverges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.strengths import TierStrengths, columns
from routenlp.training.lbfgs import minimise
from routenlp.training.ridge_fit import FOLDS, fold_of_groups
from routenlp.types import FloatArray, Vectors

PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""On the weights, per unit of mean loss; features have a length of about 1."""
_MAX_STEPS = 100
_TOLERANCE = 1e-5

Loss = Callable[[FloatArray, NDArray[np.int64]], tuple[float, FloatArray]]
"""Value and gradient by logits of shape (rows, K), at these rows."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedStrengths:
    """Strengths, and estimates of the training rows by models that had not seen the row's group."""

    model: TierStrengths
    held_out: FloatArray
    """Shape (n, K)."""


def fit_preferences(
    features: Vectors,
    task: NDArray[np.int64],
    pairs: PreferencePairs,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
    graded: FloatArray | None = None,
    graded_weight: float = 1.0,
    pair_weight: float = 1.0,
) -> FittedStrengths:
    """Strengths with the penalty of the least held-out loss: `pair_weight` x mean loss of the preferences plus
    `graded_weight` x mean cross-entropy of the `graded` outcomes, shape (n, K), NaN where there is none.

    `low`, `high`: shape (K,). Rows with neither are estimated and not fitted. Raises `TrainingError` where fewer than
    ten rows have any, or a preference names a row or a tier that is not there.
    """
    n, tiers = len(features), len(low)
    if len(pairs.row) and (pairs.row.max() >= n or max(pairs.first.max(), pairs.second.max()) >= tiers):
        raise TrainingError("preferences", f"name rows beyond {n} or tiers beyond {tiers}", "Index them again")
    wins = pairs.wins(n, tiers)
    outcomes = np.full((n, tiers), np.nan) if graded is None else graded
    told = np.flatnonzero(wins.any(axis=(1, 2)) | ~np.isnan(outcomes).all(axis=1))
    if len(told) < 2 * FOLDS:
        problem = f"has {len(told)} rows with a preference or a graded outcome"
        raise TrainingError("preferences", problem, f"Give {2 * FOLDS} at least")
    some = ~np.isnan(outcomes).all(axis=0) | wins.any(axis=(0, 1)) | wins.any(axis=(0, 2))
    if not some.all():
        problem = "has no outcome and no preference"
        raise TrainingError(f"tier {int(some.argmin()) + 1}", problem, "Record some, or leave the tier out")
    if len(np.unique(groups[told])) < 2:
        raise TrainingError("preferences", "all lie in one group", "Give two groups at least: one is held out")
    loss = _loss(wins, outcomes, pair_weight, graded_weight)
    fold = folds_of_labelled(groups, told, seed)
    held_out = [np.zeros((n, tiers)) for _ in PENALTIES]
    for f in range(FOLDS):
        fit_on, look_at = told[fold[told] != f], np.flatnonzero(fold == f)
        for kept, model in zip(held_out, _path(features, task, loss, fit_on, tasks, low, high), strict=True):
            kept[look_at] = model.logits(features[look_at], task[look_at])
    best = int(np.argmin([loss(kept[told], told)[0] for kept in held_out]))
    model = _path(features, task, loss, told, tasks, low, high)[best]
    quality = 1.0 / (1.0 + np.exp(-np.clip(held_out[best], -30.0, 30.0)))
    return FittedStrengths(model, np.clip(quality, low, high))


def folds_of_labelled(groups: NDArray[np.int64], told: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fold for each row, whole groups together, the groups that have labels spread evenly."""
    labelled = np.isin(groups, groups[told])
    fold = np.zeros(len(groups), dtype=np.int64)
    fold[labelled] = fold_of_groups(groups[labelled], FOLDS, seed)
    return fold


def _path(
    features: Vectors,
    task: NDArray[np.int64],
    loss: Loss,
    at: NDArray[np.int64],
    tasks: int,
    low: FloatArray,
    high: FloatArray,
) -> list[TierStrengths]:
    """Fits on the rows `at`, one for each penalty."""
    centre = features[at].mean(axis=0, dtype=np.float64)
    spread = features[at].std(axis=0, dtype=np.float64)
    scale = np.where(spread > 0.0, spread, 1.0) * np.sqrt(max(features.shape[1], 1))
    x = columns(features[at], task[at], centre, scale, tasks).astype(np.float32)
    weights = np.zeros((x.shape[1] + 1, len(low)), dtype=np.float32)
    out = []
    for penalty in reversed(PENALTIES):
        weights = _descend(x, loss, at, penalty, weights)
        found = weights.astype(np.float64)
        out.append(TierStrengths(found[:-1], found[-1], centre, scale, low, high, tasks))
    return out[::-1]


def _descend(x: Vectors, loss: Loss, at: NDArray[np.int64], penalty: float, start: Vectors) -> Vectors:
    """Weights with the bias in the last row, which is penalised a thousandth: preferences do not determine its mean."""
    shrink = np.full((len(start), 1), penalty, dtype=np.float32)
    shrink[-1] *= np.float32(1e-3)

    def penalised(flat: Vectors) -> tuple[float, Vectors]:
        weights = flat.reshape(start.shape)
        value, pull = loss((x @ weights[:-1] + weights[-1]).astype(np.float64), at)
        pull32 = pull.astype(np.float32)
        gradient = np.concatenate([x.T @ pull32, pull32.sum(axis=0, keepdims=True)]) + shrink * weights
        return value + 0.5 * float((shrink * weights**2).sum()), gradient.ravel()

    return minimise(penalised, start.ravel(), max_steps=_MAX_STEPS, tolerance=_TOLERANCE).reshape(start.shape)


def _loss(wins: FloatArray, graded: FloatArray, pair_weight: float, graded_weight: float) -> Loss:
    """Both terms as means over what the rows asked about hold."""
    recorded = ~np.isnan(graded)
    quality = np.where(recorded, graded, 0.0)

    def loss(z: FloatArray, at: NDArray[np.int64]) -> tuple[float, FloatArray]:
        won, cells, q = wins[at], recorded[at], quality[at]
        per_win = pair_weight / max(float(won.sum()), 1e-12)
        per_cell = graded_weight / max(int(cells.sum()), 1)
        lead = z[:, :, None] - z[:, None, :]
        value = per_win * float((won * np.logaddexp(0.0, -lead)).sum())
        value += per_cell * float((cells * (np.logaddexp(0.0, z) - q * z)).sum())
        lost = won * _sigmoid(-lead)
        pull = per_win * (lost.sum(axis=1) - lost.sum(axis=2)) + per_cell * cells * (_sigmoid(z) - q)
        return value, pull

    return loss


def _sigmoid(z: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -30.0, 30.0))))
