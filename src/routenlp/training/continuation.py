"""Fits all that the continuation rule knows: the router's estimates, the worth of answers, and what tiers cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import AnswerQuality, Evidence
from routenlp.errors import TrainingError
from routenlp.router.ridge_quality import RidgeQuality
from routenlp.training.answer_quality import fit_answers
from routenlp.training.route_quality import fit_routes
from routenlp.types import FloatArray, Vectors

COST_ROWS = 20.0
"""A task's own mean cost counts n / (n + this) beside the tier's."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Graded answers of every tier to n queries that none of the tiers was fitted on. Matrices are (n, K)."""

    tasks: int
    task: NDArray[np.int64]
    features: Vectors
    quality: FloatArray
    cost_usd: FloatArray
    confidence: FloatArray
    """NaN where a tier gave none."""
    length: FloatArray
    """NaN where it is not known."""
    groups: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FittedContinuation:
    """The estimates behind the rule, and the same of the training rows by models that had not seen them."""

    router: RidgeQuality
    quality: AnswerQuality
    relative_cost: FloatArray
    """Mean cost of each tier on each task over the top tier's mean cost over all, shape (tasks, K)."""
    held_out: FloatArray
    """q_k(x, S) of the training rows, shape (states, n, K)."""


def fit_continuation_rule(rows: TrainingRows, *, seed: int) -> FittedContinuation:
    """Deterministic in rows and seed. Raises `TrainingError` where rows are too few or the top tier is free."""
    routes = fit_routes(rows.features, rows.task, rows.quality, rows.groups, tasks=rows.tasks, seed=seed)
    evidence = Evidence(rows.task, routes.held_out, rows.confidence, rows.length)
    answers = fit_answers(evidence, rows.quality, rows.groups, tasks=rows.tasks, seed=seed)
    return FittedContinuation(routes.model, answers.quality, relative_costs(rows), answers.held_out)


def relative_costs(rows: TrainingRows) -> FloatArray:
    """Mean cost by task and tier in units of the top tier's, shrunk to the tier's mean where a task has few rows."""
    mean = rows.cost_usd.mean(axis=0)
    if not mean[-1] > 0.0:
        raise TrainingError(
            "top tier", "costs nothing on the training rows", "Give it a price: there is nothing to save"
        )
    out = np.empty((rows.tasks, rows.cost_usd.shape[1]))
    for t in range(rows.tasks):
        mine = rows.cost_usd[rows.task == t]
        out[t] = (mine.sum(axis=0) + COST_ROWS * mean) / (len(mine) + COST_ROWS)
    return np.asarray(out / mean[-1])
