"""Predictions of what each action brings, for a log in which every query shows one action: cross-fitted by group.

A prediction that has seen its own row's outcome takes noise for knowledge, and the interval gets too narrow; so each
row is predicted from other groups' rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.training.ridge_fit import fold_of_groups
from routenlp.training.stack_fit import Fit
from routenlp.types import FloatArray

FOLDS = 5
PENALTY = 3.0
"""In rows: how many it takes before estimates and tasks move a prediction from the action's mean by half."""


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What is predicted of each action on each query, by models that did not see the query's group. Shape (n, K)."""

    quality: FloatArray
    cost_usd: FloatArray


def by_ridge(logged: LoggedQueries, *, seed: int = 0) -> Expected:
    """Ridge on the logged estimates and the task, for each action on its own rows. Needs nothing but the log."""
    columns = [np.eye(logged.tasks)[logged.task]]
    if logged.estimates is not None:
        columns.append(logged.estimates)
    x = np.concatenate(columns, axis=1)
    fold = fold_of_groups(logged.groups, FOLDS, seed)
    found = _cross_fit(x, logged, np.stack([logged.quality, logged.cost_usd], axis=1), fold)
    return Expected(found[:, :, 0].clip(0.0, 1.0), found[:, :, 1].clip(0.0, float(logged.cost_usd.max())))


def by_estimator(logged: LoggedQueries, fit: Fit, *, seed: int = 0) -> Expected:
    """By any estimator of `training`, on the logged features. Raises `TrainingError` where there are none."""
    if logged.features is None:
        raise TrainingError("logged.features", "are not given", "Log features, or use the default regression")
    none, one = np.zeros(len(logged.actions)), np.ones(len(logged.actions))
    unit = max(float(logged.cost_usd.max()), np.finfo(np.float64).tiny)
    found = []
    for outcome in (logged.quality, logged.cost_usd / unit):
        targets = np.full((logged.n, len(logged.actions)), np.nan)
        targets[np.arange(logged.n), logged.action] = outcome
        fitted = fit(
            logged.features, logged.task, targets, logged.groups, tasks=logged.tasks, seed=seed, low=none, high=one
        )
        if not np.isfinite(fitted.held_out).all():
            raise TrainingError("regression", "left predictions out", "Use an estimator that takes missing outcomes")
        found.append(fitted.held_out)
    return Expected(found[0], found[1] * unit)


def _cross_fit(x: FloatArray, logged: LoggedQueries, outcomes: FloatArray, fold: NDArray[np.int64]) -> FloatArray:
    """`outcomes`: shape (n, 2). Returns shape (n, K, 2)."""
    predicted = np.empty((logged.n, len(logged.actions), outcomes.shape[1]))
    for f in range(FOLDS):
        held, others = fold == f, fold != f
        for k in range(len(logged.actions)):
            rows = others & (logged.action == k)
            # An action without a row elsewhere is expected to bring what the others do, until rows say more.
            rows = rows if rows.any() else others
            predicted[held, k] = _ridge(x[rows], outcomes[rows], x[held]) if rows.any() else outcomes.mean(axis=0)
    return predicted


def _ridge(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    inside = x - centre
    weights = np.linalg.solve(inside.T @ inside + PENALTY * np.eye(x.shape[1]), inside.T @ (y - mean))
    return np.asarray(mean + (at - centre) @ weights)
