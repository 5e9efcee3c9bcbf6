"""Fits all that the continuation rule knows: the router's estimates, the worth of answers, and what tiers cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import AnswerQuality, Evidence
from routenlp.contracts import Estimator
from routenlp.errors import TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.stack import StackedEstimates
from routenlp.router.token_costs import TokenCosts
from routenlp.training.answer_quality import fit_answers
from routenlp.training.latency_fit import FittedLatency, fit_query_latency
from routenlp.training.outcomes_present import Fitted
from routenlp.training.preference_fit import fit_preferences
from routenlp.training.stack_fit import fit_stack
from routenlp.training.token_fit import TokenRows, fit_token_costs
from routenlp.types import FloatArray, Vectors

LEAST_COST = 0.2
"""Of a tier's mean cost: no query is expected to cost less than this part of it."""
QUALITY_MEMBERS = ("logistic", "landmarks")
COST_MEMBERS = ("ridge", "landmarks")


@dataclass(frozen=True, slots=True, eq=False)
class PreferredRows:
    """Preferences on the n queries with outcomes, and on m others."""

    pairs: PreferencePairs
    """Rows 0 .. n - 1 are the queries with outcomes, n .. n + m - 1 the others."""
    features: Vectors
    """Of the others, shape (m, d)."""
    task: NDArray[np.int64]
    groups: NDArray[np.int64]
    weight: float
    """Of a preference's mean loss beside that of an outcome. Positive."""


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
    latency_s: FloatArray | None = None
    """NaN where it is not known; None where it is known of no answer."""
    tokens: TokenRows | None = None
    """What answers took, where costs are to be expected from it; None: costs are learned as they were recorded."""
    preferred: PreferredRows | None = None
    """Preferences beside the outcomes; None: there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedContinuation:
    """The estimates behind the rule, and the same of the training rows by models that had not seen them."""

    router: StackedEstimates
    """Expected quality."""
    cost: StackedEstimates | TokenCosts
    """Expected cost, in units of `top_cost_usd`."""
    top_cost_usd: float
    """Mean cost of the top tier over all training rows."""
    quality: AnswerQuality
    held_out: FloatArray
    """q_k(x, S) of the training rows, shape (states, n, K)."""
    held_out_cost: FloatArray
    """c_k(x) / c_top of the training rows, shape (n, K)."""
    latency: FittedLatency
    """How long tiers take."""


def fit_continuation_rule(rows: TrainingRows, *, seed: int) -> FittedContinuation:
    """Deterministic in rows and seed. Raises `TrainingError` where rows are too few or the top tier is free."""
    top_cost_usd = float(rows.cost_usd[:, -1].mean()) if len(rows.task) else 0.0
    if len(rows.task) and not top_cost_usd > 0.0:
        raise TrainingError("top tier", "costs nothing on the training rows", "Give it a price: nothing can be saved")
    tiers = rows.quality.shape[1]
    beside = () if rows.preferred is None else (_strengths(rows, rows.preferred, seed),)
    routes = _stack(rows, rows.quality, np.zeros(tiers), np.ones(tiers), seed, QUALITY_MEMBERS, beside)
    costs = _costs(rows, top_cost_usd, seed)
    evidence = Evidence(rows.task, routes.held_out, rows.confidence, rows.length)
    answers = fit_answers(evidence, rows.quality, rows.groups, tasks=rows.tasks, seed=seed)
    latency = fit_query_latency(
        rows.latency_s, rows.features, rows.task, rows.groups, tasks=rows.tasks, tiers=tiers, seed=seed
    )
    return FittedContinuation(
        routes.model, costs.model, top_cost_usd, answers.quality, answers.held_out, costs.held_out, latency
    )


def _costs(rows: TrainingRows, top_cost_usd: float, seed: int) -> Fitted[StackedEstimates] | Fitted[TokenCosts]:
    if rows.tokens is not None and rows.tokens.enough:
        at = rows.features, rows.task, rows.groups
        return fit_token_costs(rows.tokens, *at, tasks=rows.tasks, top_cost_usd=top_cost_usd, seed=seed)
    cost = rows.cost_usd / max(top_cost_usd, 1e-300)
    return _stack(rows, cost, LEAST_COST * cost.mean(axis=0), np.full(cost.shape[1], np.inf), seed, COST_MEMBERS)


def _strengths(rows: TrainingRows, preferred: PreferredRows, seed: int) -> Fitted[Estimator]:
    """One set of logits for outcomes and preferences (`preference_fit`)."""
    tiers, others = rows.quality.shape[1], len(preferred.task)
    fitted = fit_preferences(
        np.concatenate([rows.features, preferred.features]),
        np.concatenate([rows.task, preferred.task]),
        preferred.pairs,
        np.concatenate([rows.groups, preferred.groups]),
        tasks=rows.tasks,
        seed=seed,
        low=np.zeros(tiers),
        high=np.ones(tiers),
        graded=np.concatenate([rows.quality, np.full((others, tiers), np.nan)]),
        pair_weight=preferred.weight,
    )
    return Fitted(fitted.model, fitted.held_out[: len(rows.task)])


def _stack(
    rows: TrainingRows,
    targets: FloatArray,
    low: FloatArray,
    high: FloatArray,
    seed: int,
    members: tuple[str, ...],
    beside: Sequence[Fitted[Estimator]] = (),
) -> Fitted[StackedEstimates]:
    return fit_stack(
        rows.features,
        rows.task,
        targets,
        rows.groups,
        tasks=rows.tasks,
        seed=seed,
        low=low,
        high=high,
        members=members,
        beside=beside,
    )
