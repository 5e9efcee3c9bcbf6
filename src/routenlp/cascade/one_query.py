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
from operator import mul

import numpy as np

from routenlp.cascade.deadlines import Late
from routenlp.cascade.decision import NEVER, STOPS, Reach, Utility
from routenlp.cascade.estimates import EDGE, FAR, MOST, RAW_EDGE, AnswerQuality, members


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
        self._length: list[list[float]] = np.stack(
            [quality.signals.length_mean, quality.signals.length_scale], 1
        ).tolist()
        self._task: list[list[list[float]]] = quality.task_weights.transpose(0, 2, 1).tolist()
        self._route: list[list[list[float]]] = quality.route_weights.tolist()
        self._answer: list[list[list[list[float]]]] = quality.signal_weights.transpose(0, 3, 1, 2).tolist()

    def predict(self, task: int, expected: list[float], answers: Mapping[int, Known], state: int) -> list[float]:
        """q_k(x, S) of every tier. `answers`: those of the tiers in `state`, by position."""
        z = self._task[state][task].copy()
        _add(z, self._route[state], _logs([_odds(value, EDGE) for value in expected]))
        for s in _members(state):
            _add(z, self._answer[state][s], self._of(task, s, answers[s]))
        minus = [MOST if value < -MOST else -MOST if value > MOST else -value for value in z]
        return [1.0 / (1.0 + e) for e in _exps(minus)]

    def _of(self, task: int, s: int, known: Known) -> list[float]:
        centre, (mean, scale) = self._centre[s], self._length[s]
        far = min(max((float(np.log1p(known.length)) - mean) / scale, -FAR), FAR)
        out = [0.0, 0.0, far - centre[2], far * far - centre[3]]
        if known.confidence is not None:
            level = float(np.interp(known.confidence, self._signals.knots[s], self._signals.levels[task, s]))
            isotonic, raw = _logs([_odds(level, EDGE), _odds(known.confidence, RAW_EDGE)])
            out[:2] = isotonic - centre[0], raw - centre[1]
        return [0.0 if math.isnan(value) else value for value in out]


def _odds(p: float, edge: float) -> float:
    kept = edge if p < edge else 1.0 - edge if p > 1.0 - edge else p
    return kept / (1.0 - kept)


def _add(z: list[float], weights: list[list[float]], values: list[float]) -> None:
    """Adds weights_k . values to each z_k, one product after the other: another order would round otherwise."""
    for k, mine in enumerate(weights):
        so_far = z[k]
        for product in map(mul, mine, values):
            so_far += product
        z[k] = so_far


def _logs(values: list[float]) -> list[float]:
    found: list[float] = np.log(values).tolist()
    return found


def _exps(values: list[float]) -> list[float]:
    found: list[float] = np.exp(values).tolist()
    return found


_FADING = (-20.0, -5.0)
"""Rates of the terms of `decision.option_terms` that fade with the gap."""


@cache
def _callable(reach: Reach, state: int, tiers: int) -> tuple[int, ...]:
    """Positions of the tiers that may be called. Few are ever asked for: states and reaches are few."""
    return tuple(np.flatnonzero(reach.allows(state, tiers)).tolist())


@cache
def _members(state: int) -> tuple[int, ...]:
    return tuple(members(state))


def decide_one(
    predicted: list[float],
    state: int,
    relative_cost: list[float],
    utility: Utility,
    reach: Reach = Reach.DEARER,
    late: Late | None = None,
) -> Decided:
    """As `decision.decide` does for a row."""
    tiers, run = len(predicted), _members(state)
    worth, calls = predicted.copy(), _callable(reach, state, tiers)
    worth[-1] += utility.margin
    if late is not None:
        feasible, penalty = late.feasible[0].tolist(), late.penalty[0].tolist()
        worth = [w if k in run else (w - penalty[k] if feasible[k] else NEVER) for k, w in enumerate(worth)]
        calls = tuple([k for k in calls if feasible[k]])
    stop, answer = -math.inf, STOPS
    for k in run:
        if worth[k] > stop:
            stop, answer = worth[k], k
    best, call = -math.inf, STOPS
    for k, value in zip(calls, _call_values(calls, worth, stop, state, relative_cost, utility, reach), strict=True):
        if value >= best and value != -math.inf:
            best, call = value, k
    if late is not None and not state and call == STOPS:
        call = tiers - 1 if feasible[-1] else decide_one(predicted, state, relative_cost, utility, reach).call
    return Decided(STOPS if state and stop >= best else call, answer)


def _call_values(
    calls: tuple[int, ...],
    worth: list[float],
    stop: float,
    state: int,
    cost: list[float],
    utility: Utility,
    reach: Reach,
) -> list[float]:
    """What calling each of these tiers is worth."""
    price = utility.price
    otherwise = _otherwise(calls, worth, stop, cost, price, reach)
    values = [max(worth[k], otherwise[k]) - price * cost[k] for k in calls]
    if utility.options is None or not calls:
        return values
    weights = utility.options[state].tolist()
    gaps = [min(max(worth[k] - otherwise[k], -1.0), 1.0) for k in calls]  # 1 where there is no other way
    fading = _exps([rate * abs(gap) for gap in gaps for rate in _FADING])
    for i, (k, gap) in enumerate(zip(calls, gaps, strict=True)):
        flat, near, wide, of_gap, of_apart, of_doubt = weights[k]
        option = flat + near * fading[2 * i] + wide * fading[2 * i + 1] + of_gap * gap + of_apart * abs(gap)
        values[i] += max(option + of_doubt * (worth[k] * (1.0 - worth[k])), 0.0)
    return values


def _otherwise(
    calls: tuple[int, ...], worth: list[float], stop: float, cost: list[float], price: float, reach: Reach
) -> list[float]:
    """By tier, of those in `calls`, what the best other way is worth: to stop, or a dearer tier after it."""
    best = [stop] * len(worth)
    if reach is Reach.DEARER:
        for k in range(len(worth) - 1, 0, -1):
            way = worth[k] - price * cost[k]
            best[k - 1] = way if way > best[k] else best[k]
    elif reach is not Reach.ONCE:
        for k in calls:
            paid = 0.0
            for later in range(k + 1, len(worth)):
                paid += cost[later]
                best[k] = max(best[k], worth[later] - price * paid)
    return best
