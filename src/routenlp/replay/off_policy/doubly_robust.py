"""The mean outcome of a policy that was not the logged one: doubly robust, or by weights alone.

    psi_i = sum_k pi(k | x_i) m_k(x_i) + w_i (y_i - m_{a_i}(x_i)),    value = mean psi

m_k predicts the outcome of action k. The mean is right if the propensities behind the weights w are, whatever m
predicts, and also if m is right, whatever the weights are; the better m, the narrower the interval (Dudik, Langford &
Li 2011). Without m it is the inverse propensity estimate. Self-normalised weights (Swaminathan & Joachims 2015) give up
a bias of order 1/n for less spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.replay.off_policy.weights import Weights
from routenlp.types import FloatArray

MethodName = Literal["dr", "sndr", "ips", "snips"]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to estimate."""

    words: str
    predicts: bool
    """Whether predictions are used."""
    normalises: bool
    """Whether weights are divided by their mean."""


METHODS: Mapping[MethodName, Method] = {
    "dr": Method("doubly robust", predicts=True, normalises=False),
    "sndr": Method("doubly robust, self-normalised", predicts=True, normalises=True),
    "ips": Method("inverse propensity", predicts=False, normalises=False),
    "snips": Method("inverse propensity, self-normalised", predicts=False, normalises=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class Valued:
    """An estimate, and what each logged query has to do with it."""

    estimate: float
    influence: FloatArray
    """Shape (n,), mean 0: the estimate is off by about its mean over the rows that happened to be logged."""


def value(
    outcome: FloatArray,
    expected: FloatArray,
    logged: LoggedQueries,
    target: FloatArray,
    weights: Weights,
    method: Method,
) -> Valued:
    """Mean `outcome`, shape (n,), under `target`, shape (n, K), with `expected`, shape (n, K), as predictions.

    Rows of `target` may sum to less than 1: then it is the part of the mean that those actions have.
    """
    predicted = expected if method.predicts else np.zeros_like(expected)
    left = outcome - predicted[np.arange(logged.n), logged.action]
    direct = (target * predicted).sum(axis=1)
    if not method.normalises:
        psi = direct + weights.values * left
        return Valued(float(psi.mean()), psi - psi.mean())
    # Self-normalised weights estimate the mean over what the policy does, here per unit of probability.
    share = float(target.sum(axis=1).mean())
    scaled = weights.normalised
    correction = float((scaled * left).mean())
    influence = direct - direct.mean() + share * scaled * (left - correction)
    return Valued(float(direct.mean()) + share * correction, influence)


def known(values: FloatArray) -> Valued:
    """The mean of what is known of every query."""
    return Valued(float(values.mean()), values - values.mean())


def plus(valued: Valued, values: FloatArray) -> Valued:
    """With something known added to every query."""
    return Valued(valued.estimate + float(values.mean()), valued.influence + values - values.mean())


def ratio(above: Valued, below: Valued) -> Valued:
    """Of two means over the same rows, by the delta method. `below` is over 0."""
    estimate = above.estimate / below.estimate
    return Valued(estimate, (above.influence - estimate * below.influence) / below.estimate)
