"""The continuation rule for one query at a time: the same numbers, bit for bit, in plain Python.

`estimates` and `decision` are written for thousands of rows at once, as training and replay need them. On a single row
nearly all of their time is numpy's handling of tiny arrays: 0.6 ms a query, against a few additions. Here the same
additions run in the same order on floats; exponentials and logarithms are numpy's in both, because other libraries
round them differently. `tests/unit/cascade/test_one_query.py` holds the two to the very same results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from routenlp.cascade.deadlines import Late
from routenlp.cascade.decision import NEVER, STOPS, Reach, Utility
from routenlp.cascade.estimates import FAR, RAW_EDGE, SIGNALS, AnswerQuality, logit, members, sigmoid


@dataclass(frozen=True, slots=True)
class Known:
    """Of one answer."""

    confidence: float | None
    """In [0, 1]; None where the tier gives none."""
    length: float


@dataclass(frozen=True, slots=True)
class Decided:
    """What to do."""

    call: int
    """Position of the tier to call, or `STOPS`."""
    answer: int
    """Position of the best answer so far, or `STOPS` where there is none yet."""


class OneQuality:
    """`AnswerQuality` with its weights as lists."""

    def __init__(self, quality: AnswerQuality) -> None:
        self._signals = quality.signals
        self._centre: list[list[float]] = quality.signals.centre.tolist()
        self._task: list[list[list[float]]] = quality.task_weights.tolist()
        self._route: list[list[list[float]]] = quality.route_weights.tolist()
        self._answer: list[list[list[list[float]]]] = quality.signal_weights.tolist()

    def predict(self, task: int, expected: list[float], answers: Mapping[int, Known], state: int) -> list[float]:
        """q_k(x, S) of every tier. `answers`: those of the tiers in `state`, by position."""
        route = logit(np.array(expected)).tolist()
        z = [weights[task] for weights in self._task[state]]
        for j, value in enumerate(route):
            for k, weights in enumerate(self._route[state]):
                z[k] += weights[j] * value
        for s in members(state):
            signals = self._of(task, s, answers[s])
            for i in range(SIGNALS):
                for k, of_signal in enumerate(self._answer[state]):
                    z[k] += of_signal[i][s] * signals[i]
        found: list[float] = sigmoid(np.array(z)).tolist()
        return found

    def _of(self, task: int, s: int, known: Known) -> list[float]:
        signals, centre = self._signals, self._centre[s]
        scaled = (np.log1p(known.length) - signals.length_mean[s]) / signals.length_scale[s]
        far = min(max(float(scaled), -FAR), FAR)
        out = [0.0, 0.0, far - centre[2], far * far - centre[3]]
        if known.confidence is not None:
            raw = np.array([known.confidence])
            level = np.interp(raw, signals.knots[s], signals.levels[task, s])
            out[0] = float(logit(level)[0]) - centre[0]
            out[1] = float(logit(raw, RAW_EDGE)[0]) - centre[1]
        return [0.0 if math.isnan(value) else value for value in out]


@cache
def _callable(reach: Reach, state: int, tiers: int) -> tuple[int, ...]:
    """Positions of the tiers that may be called. Few are ever asked for: states and reaches are few."""
    return tuple(np.flatnonzero(reach.allows(state, tiers)).tolist())


def decide_one(
    predicted: list[float],
    state: int,
    relative_cost: list[float],
    utility: Utility,
    reach: Reach = Reach.DEARER,
    late: Late | None = None,
) -> Decided:
    """As `decision.decide` does for a row."""
    tiers = len(predicted)
    run = members(state)
    worth = list(predicted)
    worth[-1] += utility.margin
    feasible = [True] * tiers
    if late is not None:
        feasible, penalty = late.feasible[0].tolist(), late.penalty[0].tolist()
        worth = [w if k in run else (w - penalty[k] if feasible[k] else NEVER) for k, w in enumerate(worth)]
    stop, answer = -math.inf, STOPS
    for k in run:
        if worth[k] > stop:
            stop, answer = worth[k], k
    best, call = -math.inf, STOPS
    for k in _callable(reach, state, tiers):
        value = _call_value(worth, stop, state, k, relative_cost, utility, reach) if feasible[k] else -math.inf
        if value >= best and math.isfinite(value):
            call = k
        best = max(value, best)
    if late is not None and not state and call == STOPS:
        call = tiers - 1 if feasible[-1] else decide_one(predicted, state, relative_cost, utility, reach).call
    return Decided(STOPS if state and stop >= best else call, answer)


def _call_value(
    worth: list[float], stop: float, state: int, k: int, cost: list[float], utility: Utility, reach: Reach
) -> float:
    otherwise, price, paid = stop, utility.price, 0.0
    for later in range(k + 1, len(worth) if reach is not Reach.ONCE else 0):
        paid = cost[later] + (0.0 if reach is Reach.DEARER else paid)
        otherwise = max(otherwise, worth[later] - price * paid)
    value = max(worth[k], otherwise) - price * cost[k]
    if utility.options is None:
        return value
    own = worth[k]
    gap = min(max(own - (otherwise if math.isfinite(otherwise) else own - 1.0), -1.0), 1.0)
    apart = abs(gap)
    near, wide = np.exp(np.array([-20.0 * apart, -5.0 * apart])).tolist()
    option = 0.0
    for weight, term in zip(
        utility.options[state, k].tolist(), (1.0, near, wide, gap, apart, own * (1.0 - own)), strict=True
    ):
        option += weight * term
    return value + max(option, 0.0)
