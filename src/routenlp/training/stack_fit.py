"""Fits the router's estimates of quality: several kinds, blended and calibrated on rows that they had not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Estimator
from routenlp.errors import TrainingError
from routenlp.router.isotonic import IsotonicMaps
from routenlp.router.stack import StackedEstimates
from routenlp.training.blend import blend_weights
from routenlp.training.clusters_fit import fit_clusters
from routenlp.training.factors_fit import fit_factors
from routenlp.training.isotonic_fit import fit_isotonic
from routenlp.training.landmarks_fit import fit_landmarks
from routenlp.training.logistic_fit import fit_logistic
from routenlp.training.mlp_fit import fit_mlp
from routenlp.training.neighbours_fit import fit_neighbours
from routenlp.training.outcomes_present import Fitted
from routenlp.training.ridge_fit import FOLDS, fit_ridge, fold_of_groups
from routenlp.types import FloatArray, Vectors

FEWEST_OUTCOMES = 20
"""Of a tier that is learned; under it its mean says as much."""
PRIOR_ROWS = 5.0
"""Of such a tier's mean: as if this many answers of all tiers' mean quality had been seen beside its own."""


class Fit(Protocol):
    """How every kind is fitted."""

    def __call__(
        self,
        features: Vectors,
        task: NDArray[np.int64],
        targets: FloatArray,
        groups: NDArray[np.int64],
        *,
        tasks: int,
        seed: int,
        low: FloatArray,
        high: FloatArray,
    ) -> Fitted[Estimator]:
        """Estimates of `targets`, shape (n, K), NaN where missing, within `low` and `high`, shape (K,)."""
        ...


FITS: Mapping[str, Fit] = MappingProxyType(
    {
        "ridge": fit_ridge,
        "logistic": fit_logistic,
        "landmarks": fit_landmarks,
        "neighbours": fit_neighbours,
        "clusters": fit_clusters,
        "mlp": fit_mlp,
        "factors": fit_factors,
    }
)
"""Every kind by name; docs/decisions/estimators.md says what each earned."""
DEFAULT_MEMBERS = ("logistic", "landmarks")
WITHOUT_FEATURES = ("ridge", "logistic")
"""All that differs where only the task is known."""


def fit_stack(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
    members: tuple[str, ...] = DEFAULT_MEMBERS,
    beside: Sequence[Fitted[Estimator]] = (),
) -> Fitted[StackedEstimates]:
    """`targets`: quality in [0, 1], shape (n, K), NaN where a tier's outcome is missing.

    `beside`: estimates of all tiers that were fitted elsewhere, with those of these rows held out. They are blended
    with the others, so that they count as far as they tell what the others do not; where some tier has too few
    outcomes to be learned there is no telling, and they are left out.

    A tier of under `FEWEST_OUTCOMES` outcomes has its mean, drawn to that of all tiers. Held-out estimates are blended
    and mapped by weights and maps that had not seen the row's fold. Raises `TrainingError` where a tier has no outcome
    at all, or rows are too few to hold any out.
    """
    count = (~np.isnan(targets)).sum(axis=0)
    _check(targets, count)
    mean = _means(targets, count)
    learned = np.flatnonzero(count >= FEWEST_OUTCOMES)
    fallbacks = _fallbacks(task, targets, count, mean, tasks)
    held_out = np.repeat(mean[None, :], len(task), axis=0)
    if len(learned) == 0:
        model = StackedEstimates((), np.zeros((0, 0)), None, learned, mean, fallbacks)
        return Fitted(model, held_out)
    known = targets[:, learned]
    wanted = members if features.shape[1] else tuple(name for name in members if name in WITHOUT_FEATURES)
    bounds = _Bounds(low[learned], high[learned], tasks)
    fitted = [
        FITS[name](features, task, known, groups, tasks=tasks, seed=seed, low=bounds.low, high=bounds.high)
        for name in wanted
    ]
    fitted += list(beside) if len(learned) == len(mean) else []
    opinions = np.stack([f.held_out for f in fitted])
    blended = _blend(opinions, known, task, fold_of_groups(groups, FOLDS, seed + 1), bounds)
    held_out[:, learned] = blended.held_out
    models = tuple(f.model for f in fitted)
    return Fitted(StackedEstimates(models, blended.weights, blended.maps, learned, mean, fallbacks), held_out)


@dataclass(frozen=True, slots=True, eq=False)
class _Bounds:
    low: FloatArray
    high: FloatArray
    tasks: int


@dataclass(frozen=True, slots=True, eq=False)
class _Blended:
    weights: FloatArray
    maps: IsotonicMaps | None
    held_out: FloatArray


def _blend(
    opinions: FloatArray, targets: FloatArray, task: NDArray[np.int64], fold: NDArray[np.int64], bounds: _Bounds
) -> _Blended:
    """Weights and maps of all rows, and what those of other folds say of each; maps only where they lower the error."""
    plain, mapped = np.empty_like(targets), np.empty_like(targets)
    for f in range(FOLDS):
        away = fold == f
        weights = _weights(opinions[:, ~away], targets[~away])
        plain[away] = _mix(opinions[:, away], weights)
        maps = _maps(_mix(opinions[:, ~away], weights), targets[~away], task[~away], bounds)
        mapped[away] = maps.of(plain[away], task[away])
    weights = _weights(opinions, targets)
    if np.nanmean((mapped - targets) ** 2) >= np.nanmean((plain - targets) ** 2):
        return _Blended(weights, None, plain)
    return _Blended(weights, _maps(_mix(opinions, weights), targets, task, bounds), mapped)


def _maps(predicted: FloatArray, targets: FloatArray, task: NDArray[np.int64], bounds: _Bounds) -> IsotonicMaps:
    return fit_isotonic(predicted, targets, task, tasks=bounds.tasks, low=bounds.low, high=bounds.high)


def _weights(opinions: FloatArray, targets: FloatArray) -> FloatArray:
    out = np.empty((len(opinions), targets.shape[1]))
    for k, y in enumerate(targets.T):
        known = ~np.isnan(y)
        out[:, k] = blend_weights(opinions[:, known, k] - y[known])
    return out


def _mix(opinions: FloatArray, weights: FloatArray) -> FloatArray:
    return np.asarray((opinions * weights[:, None, :]).sum(axis=0))


def _check(targets: FloatArray, count: NDArray[np.int64]) -> None:
    if len(targets) < 2 * FOLDS:
        raise TrainingError("router", f"has {len(targets)} rows", f"Give {2 * FOLDS} at least")
    for k in np.flatnonzero(count == 0):
        problem = f"has no outcome on {len(targets):,} queries"
        raise TrainingError(f"tier {k + 1}", problem, "Probe it on some of them, or leave the tier out")


def _means(targets: FloatArray, count: NDArray[np.int64]) -> FloatArray:
    of_tier = np.nanmean(targets, axis=0)
    few = count < FEWEST_OUTCOMES
    drawn = (count * of_tier + PRIOR_ROWS * np.nanmean(targets)) / (count + PRIOR_ROWS)
    return np.asarray(np.where(few, drawn, of_tier))


def _fallbacks(
    task: NDArray[np.int64], targets: FloatArray, count: NDArray[np.int64], mean: FloatArray, tasks: int
) -> tuple[str, ...]:
    of_tiers = [
        f"tier {k + 1}: {count[k]} outcomes, so its mean {mean[k]:.2f} for every query"
        for k in np.flatnonzero(count < FEWEST_OUTCOMES)
    ]
    seen = np.bincount(task[~np.isnan(targets).all(axis=1)], minlength=tasks)
    return (
        *of_tiers,
        *(f"task {t + 1}: no outcomes, so what is known over all tasks" for t in np.flatnonzero(seen == 0)),
    )
