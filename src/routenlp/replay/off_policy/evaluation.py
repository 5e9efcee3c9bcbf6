"""What a new policy would have cost and how good it would have been, from the log of another, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from routenlp.errors import DataError, SettingsError
from routenlp.replay.intervals import Interval
from routenlp.replay.off_policy.doubly_robust import METHODS, Method, MethodName, Valued, known, plus, ratio, value
from routenlp.replay.off_policy.logged import LoggedQueries, as_target
from routenlp.replay.off_policy.regression import Expected, by_ridge
from routenlp.replay.off_policy.spread import interval
from routenlp.replay.off_policy.weights import CLIP, Weights, inverse_propensity, without_support
from routenlp.types import FloatArray

Overlap = Literal["refuse", "bound"]


@dataclass(frozen=True, slots=True)
class Trust:
    """How much the log says about one policy."""

    effective_rows: float
    """About so many logged queries of this policy itself would say as much: see `weights.Weights`."""
    share_clipped: float
    largest_weight: float
    """Before clipping."""
    lost: float
    """Of the mean weight, to clipping: see `weights.Weights`."""


@dataclass(frozen=True, slots=True)
class OffPolicyReport:
    """A policy judged from another's log. An interval without bounds is one that the log cannot give."""

    n: int
    groups: int
    method: MethodName
    confidence: float
    quality: Interval
    """Mean, in [0, 1]."""
    cost_usd: Interval
    """Mean of a query."""
    quality_ratio: Interval
    """Over always-top's."""
    cost_ratio: Interval
    """Over always-top's."""
    savings: Interval
    """1 - cost ratio: below 0 where it costs more."""
    logged_quality: float
    """Mean of the log as it was."""
    logged_cost_usd: float
    trust: Trust
    """In what is said of the new policy."""
    top_trust: Trust
    """In what is said of always-top."""
    unsupported: float
    """Share of the new policy's choices that the logged one could not have made. Where over 0, there are no estimates,
    only intervals, which take the quality of those choices anywhere in [0, 1] and their cost from 0 to the dearest
    logged."""


def evaluate(
    logged: LoggedQueries,
    target: ArrayLike,
    *,
    expected: Expected | None = None,
    method: MethodName = "dr",
    clip: float = CLIP,
    overlap: Overlap = "refuse",
    confidence: float = 0.95,
    seed: int = 0,
) -> OffPolicyReport:
    """Quality, cost and savings of the policy that acts as `target` says, against always-top.

    `target`: action probabilities, shape (n, K), or the positions of the actions it chooses, integers of shape (n,). It
    must not have been chosen by looking at these rows' outcomes. `expected`: cross-fitted predictions; None fits a
    ridge on the logged estimates (`regression.by_ridge`). `overlap`: what to do where `target` acts as the logged
    policy never did: refuse, or bound by the worst and the best that could have come of it. `seed`: of the cross-fit.

    Raises `DataError` for a target that the log says nothing about.
    """
    _check_settings(method, overlap, confidence)
    new, top = (as_target(policy, logged) for policy in (target, np.full(logged.n, len(logged.actions) - 1)))
    beyond = without_support(logged, new)
    _check_support(logged, new, beyond, overlap)
    supported = np.where(logged.propensity > 0.0, new, 0.0)
    weights, top_weights = (inverse_propensity(logged, policy, clip=clip) for policy in (supported, top))
    view = _View(logged, expected or by_ridge(logged, seed=seed), METHODS[method])
    quality = view.bounded(view.quality(supported, weights), beyond, 1.0)
    cost = view.bounded(view.cost(supported, weights), beyond, float(logged.cost_usd.max()))
    top_quality = view.quality(top, top_weights)
    top_cost = view.cost(top, top_weights) if logged.top_cost_usd is None else known(logged.top_cost_usd)
    limits = _Limits(logged, confidence, weights, top_weights)
    paid = limits.ratio(cost, top_cost, "cost", top_known=logged.top_cost_usd is not None)
    return OffPolicyReport(
        n=logged.n,
        groups=len(np.unique(logged.groups)),
        method=method,
        confidence=confidence,
        quality=limits.mean(quality, high=1.0, floor=1.0),
        cost_usd=limits.mean(cost),
        quality_ratio=limits.ratio(quality, top_quality, "quality", floor=1.0),
        cost_ratio=paid,
        savings=Interval(_less(paid.estimate), _less(paid.high), _less(paid.low)),
        logged_quality=float(logged.quality.mean()),
        logged_cost_usd=float(logged.cost_usd.mean()),
        trust=_trust(weights),
        top_trust=_trust(top_weights),
        unsupported=float(beyond.mean()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    logged: LoggedQueries
    expected: Expected
    method: Method

    def quality(self, target: FloatArray, weights: Weights) -> Valued:
        return value(self.logged.quality, self.expected.quality, self.logged, target, weights, self.method)

    def cost(self, target: FloatArray, weights: Weights) -> Valued:
        return value(self.logged.cost_usd, self.expected.cost_usd, self.logged, target, weights, self.method)

    def bounded(self, valued: Valued, beyond: FloatArray, most: float) -> tuple[Valued, ...]:
        """One value, or, where something lies beyond the log, its least and its most."""
        return (valued, plus(valued, beyond * most)) if beyond.any() else (valued,)


@dataclass(frozen=True, slots=True, eq=False)
class _Limits:
    """Intervals of one value, or of two between which the truth lies."""

    logged: LoggedQueries
    confidence: float
    weights: Weights
    top_weights: Weights

    def mean(self, values: tuple[Valued, ...], *, high: float = math.inf, floor: float = 0.0) -> Interval:
        """`floor`: the least standard error, in what one effective row can add."""
        return self._of(values, self.weights.effective_rows, high, floor)

    def ratio(
        self,
        values: tuple[Valued, ...],
        top: Valued,
        what: str,
        *,
        floor: float = 0.0,
        top_known: bool = False,
    ) -> Interval:
        """Over always-top's mean."""
        if not top.estimate > 0.0:
            problem = f"always-top's mean {what} is estimated as {top.estimate:.3g}"
            raise DataError(f"logged.{what}", problem, "Log more queries, or let more of them begin at the top tier")
        rows = self.weights.effective_rows
        if not top_known:
            rows = min(rows, self.top_weights.effective_rows)
        return self._of(tuple(ratio(one, top) for one in values), rows, math.inf, floor / top.estimate)

    def _of(self, values: tuple[Valued, ...], rows: float, high: float, floor: float) -> Interval:
        least = floor / rows if rows else 0.0
        ends = [
            interval(one, self.logged.groups, confidence=self.confidence, effective_rows=rows, high=high, floor=least)
            for one in values
        ]
        return ends[0] if len(ends) == 1 else Interval(None, ends[0].low, ends[1].high)


def _less(value: float | None) -> float | None:
    return None if value is None else 1.0 - value


def _trust(weights: Weights) -> Trust:
    return Trust(weights.effective_rows, weights.share_clipped, weights.largest, weights.lost)


def _check_settings(method: MethodName, overlap: Overlap, confidence: float) -> None:
    if method not in METHODS:
        raise SettingsError("method", f"is {method!r}", f"Choose one of {', '.join(METHODS)}")
    if overlap not in ("refuse", "bound"):
        raise SettingsError("overlap", f"is {overlap!r}", "Choose refuse or bound")
    if not 0.0 < confidence < 1.0:
        raise SettingsError("confidence", f"is {confidence}", "Give a share such as 0.95")


def _check_support(logged: LoggedQueries, new: FloatArray, beyond: FloatArray, overlap: Overlap) -> None:
    """Always-top and, unless it is to be bounded, the new policy must lie within what could have been logged."""
    if not (logged.propensity[:, -1] > 0.0).all():
        rows = int((logged.propensity[:, -1] == 0.0).sum())
        problem = f"{rows:,} of {logged.n:,} queries could not have begun at the top tier {logged.actions[-1]!r}"
        raise DataError("logged.propensity", problem, "Let the exploring router draw the top tier for every task")
    if beyond.any() and overlap == "refuse":
        problem = f"acts on {int((beyond > 0).sum()):,} of {logged.n:,} queries as the logged policy never could"
        remedy = 'Explore those tiers too, or pass overlap="bound" for worst-case bounds'
        raise DataError("target", problem, remedy)
    for k, name in enumerate(logged.actions):
        if (new[:, k] > 0.0).any() and not (logged.action == k).any() and (logged.propensity[:, k] > 0.0).any():
            problem = f"begins queries at {name!r}, which no logged query happened to"
            raise DataError("target", problem, "Log more queries, or explore more")
