"""Fits factors of queries and abilities of tiers, and places a new tier by a few probes.

The logits that a logistic layer gives the known tiers lie near a plane of few dimensions; its axes are the factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import logit
from routenlp.errors import TrainingError
from routenlp.router.factors import FactorEstimates
from routenlp.router.logistic import logistic
from routenlp.training.logistic import soft_logistic
from routenlp.training.logistic_fit import fit_logistic
from routenlp.training.outcomes_present import Fitted
from routenlp.types import FloatArray, Vectors

FACTORS = 2
_LEAST_SPREAD = 0.05
"""Variance: even tiers that look alike may differ from the next one."""
_FLAT = 0.05
"""Variance of logits: under it there is no factor, and its scale would be noise."""
_EDGE = 1e-4
_OF_RECORDED = 1.0
"""Penalty of loadings fitted on all rows: next to none."""


def fit_factors(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
) -> Fitted[FactorEstimates]:
    """`targets` in [0, 1], shape (n, K), NaN where missing. At most `FACTORS` factors, and no more than tiers.

    Errors as of `fit_logistic`. Abilities are fitted on held-out factors, which fade as those of new queries do.
    """
    fitted = fit_logistic(features, task, targets, groups, tasks=tasks, seed=seed, low=low, high=high)
    model, kept = fitted.model, min(FACTORS, targets.shape[1])
    weights, task_weights = model.weights.astype(np.float64), model.task_weights
    logits = logit(logistic(features.astype(np.float64) @ weights + task_weights[task]), _EDGE)
    centre = logits.mean(axis=0)
    values, turned = np.linalg.eigh(np.cov(logits.T).reshape(len(centre), -1))
    turned = turned[:, ::-1][:, :kept]
    turned = turned * np.where(turned.sum(axis=0) < 0.0, -1.0, 1.0) / np.sqrt(np.maximum(values[::-1][:kept], _FLAT))
    apart = logit(fitted.held_out, _EDGE)
    factors = (apart - apart.mean(axis=0)) @ turned
    ability = np.stack([_ability(factors, y) for y in targets.T], axis=1)
    spread = np.maximum(ability.var(axis=1), _LEAST_SPREAD)
    placed = FactorEstimates(weights @ turned, (task_weights - centre) @ turned, ability[1:], ability[0], spread)
    return Fitted(placed, logistic(ability[0] + factors @ ability[1:]))


def _ability(factors: FloatArray, quality: FloatArray) -> FloatArray:
    """Level, then loadings."""
    known = ~np.isnan(quality)
    x = np.concatenate([np.ones((int(known.sum()), 1)), factors[known]], axis=1)
    return soft_logistic(x, quality[known], np.full(x.shape[1], _OF_RECORDED))


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Graded answers of a new tier to n queries, drawn at random from those that it will see."""

    features: Vectors
    task: NDArray[np.int64]
    quality: FloatArray
    """Shape (n,), in [0, 1]."""


def with_new_tier(known: FactorEstimates, probes: Probes) -> FactorEstimates:
    """The same with one tier more, after the others: placed by its probes, from where the known tiers lie.

    Raises `TrainingError` without probes: nothing then says how good the tier is.
    """
    if len(probes.task) == 0:
        raise TrainingError("new tier", "has no graded answer", "Probe it on 20 queries or so")
    factors = known.factors(probes.features, probes.task)
    x = np.concatenate([np.ones((len(factors), 1)), factors], axis=1)
    abilities = np.concatenate([known.level[None, :], known.loadings])
    prior = abilities.mean(axis=1)
    ability = soft_logistic(x, probes.quality, 1.0 / known.spread, prior=prior)
    loadings = np.concatenate([known.loadings, ability[1:, None]], axis=1)
    level = np.concatenate([known.level, ability[:1]])
    return FactorEstimates(known.axes, known.task_axes, loadings, level, known.spread)
