"""Traffic whose truth is known: a finite population in which every first tier's outcome exists, logged by exploration.

Logs are drawn from the population with replacement, so the mean of any policy is known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.replay.off_policy.regression import Expected
from routenlp.types import FloatArray

ACTIONS = ("small", "mid", "top")
PRICES = (0.05, 0.3, 1.0)
TASKS = 3
GROUP_ROWS = 8
"""Rows of a group at most; sizes are 1 to this, all as likely."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What the traffic is like, and how it is logged."""

    epsilon: float = 0.3
    grouped: bool = False
    graded: bool = False
    """Qualities anywhere in [0, 1]; else 0 or 1."""
    escalates: bool = False
    """A cheap first tier's failed answers are sent on to the top half of the time, and both are paid."""
    estimates: float = 0.5
    """Spread of the router's error, on the scale of logits."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Every outcome of every query. Matrices have shape (N, 3)."""

    task: NDArray[np.int64]
    starts: NDArray[np.int64]
    """Where each group begins, shape (groups,): rows of one lie side by side."""
    truth: Expected
    """Mean of quality and cost, given all that there is to know of the query: what a perfect regression says."""
    quality: FloatArray
    cost_usd: FloatArray
    estimates: FloatArray
    propensity: FloatArray
    """Of the policy that logs."""
    target: FloatArray
    """Of the policy that is to be judged."""

    def mean(self, outcome: FloatArray, policy: FloatArray) -> float:
        """Exactly what the policy brings, over the population."""
        return float((outcome * policy).sum(axis=1).mean())


def world(spec: Spec, *, seed: int, population: int = 40_000) -> World:
    """Hard queries fail more, least at the top; dear ones are long; the router knows about both, with an error."""
    rng = np.random.default_rng(seed)
    groups = _groups(population, rng) if spec.grouped else np.arange(population)
    shared = rng.normal(size=int(groups[-1]) + 1)[groups] if spec.grouped else np.zeros(population)
    task = rng.integers(0, TASKS, size=population)
    hard = 0.8 * rng.normal(size=population) + 0.9 * shared + 0.5 * (task - 1)
    logits = np.array([0.6, 1.2, 2.2]) - hard[:, None] * np.array([1.5, 1.1, 0.7])
    chance = 1.0 / (1.0 + np.exp(-logits))
    length = np.exp(0.6 * rng.normal(size=population) + 0.3 * shared)
    estimates = 1.0 / (1.0 + np.exp(-(logits + spec.estimates * rng.normal(size=logits.shape))))
    truth, quality, cost = _outcomes(spec, chance, length, rng)
    return World(
        task,
        np.flatnonzero(np.diff(groups, prepend=-1)),
        truth,
        quality,
        cost,
        estimates,
        _exploring(_cheapest_good(estimates, 0.8), spec.epsilon),
        _cheapest_good(estimates, 0.6),
    )


def draw_log(place: World, n: int, *, seed: int) -> tuple[LoggedQueries, NDArray[np.int64]]:
    """About n queries in whole groups, with one action each; and which rows of the population they are."""
    rng = np.random.default_rng(seed)
    starts, sizes = place.starts, np.diff(place.starts, append=len(place.task))
    picked = rng.integers(0, len(starts), size=max(int(n / sizes.mean()), 1))
    rows = np.concatenate([np.arange(starts[g], starts[g] + sizes[g]) for g in picked]) if sizes.max() > 1 else picked
    drawn = rng.uniform(size=(len(rows), 1))
    action = np.minimum((place.propensity[rows].cumsum(axis=1) <= drawn).sum(axis=1), len(ACTIONS) - 1)
    logged = LoggedQueries(
        ACTIONS,
        place.task[rows],
        action,
        place.propensity[rows],
        place.quality[rows, action],
        place.cost_usd[rows, action],
        np.repeat(np.arange(len(picked)), sizes[picked]),
        estimates=place.estimates[rows],
    )
    return logged, rows


Regression = Literal["right", "wrong", "fitted"]


def regression(kind: Regression, place: World, rows: NDArray[np.int64]) -> Expected | None:
    """Predictions for these rows: the truth; its opposite; or None, which fits a ridge on the log."""
    if kind == "fitted":
        return None
    quality, cost = place.truth.quality[rows], place.truth.cost_usd[rows]
    return Expected(quality, cost) if kind == "right" else Expected(1.0 - quality, cost[:, ::-1])


def _groups(population: int, rng: np.random.Generator) -> NDArray[np.int64]:
    sizes = rng.integers(1, GROUP_ROWS + 1, size=population)
    return np.asarray(np.repeat(np.arange(population), sizes)[:population])


def _outcomes(
    spec: Spec, chance: FloatArray, length: FloatArray, rng: np.random.Generator
) -> tuple[Expected, FloatArray, FloatArray]:
    price = np.array(PRICES) * length[:, None]
    luck = rng.uniform(size=chance.shape)
    if spec.graded:
        quality = np.clip(chance + 0.2 * (luck - 0.5), 0.0, 1.0)
        truth_quality = quality.copy()
    else:
        quality, truth_quality = (luck < chance).astype(np.float64), chance.copy()
    cost, truth_cost = price * rng.gamma(4.0, 0.25, size=chance.shape), price.copy()
    if spec.escalates:
        asked = (rng.uniform(size=chance.shape) < 0.5) & (quality < 1.0)
        asked[:, -1] = False
        chosen = np.where(asked, np.maximum(quality, quality[:, -1:]), quality)
        cost = cost + asked * cost[:, -1:]
        # A mean over luck is only roughly right here, which a regression is in practice too.
        sent = 0.5 * (1.0 - truth_quality)
        sent[:, -1] = 0.0
        truth_cost = truth_cost + sent * price[:, -1:]
        truth_quality = truth_quality + sent * truth_quality[:, -1:]
        quality = chosen
    return Expected(truth_quality, truth_cost), quality, cost


def _cheapest_good(estimates: FloatArray, cutoff: float) -> FloatArray:
    good = estimates >= cutoff
    good[:, -1] = True
    return np.asarray(np.eye(len(ACTIONS))[good.argmax(axis=1)])


def _exploring(choice: FloatArray, epsilon: float) -> FloatArray:
    return (1.0 - epsilon) * choice + epsilon / len(ACTIONS)
