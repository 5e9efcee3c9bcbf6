"""The continuation rule: before and after every answer, stop, or call any dearer tier, whichever is worth most.

    u_k = q_k(x, S) + margin 1{k = top} - nu P(latency_k > time left) 1{k not in S}
    stop:    v_S = max over s in S of u_s
    call k:  max(u_k, v_S, max over l > k of u_l - price c_l / c_top) - price c_k / c_top + option_k(x, S)

S are the tiers already run, q the estimates of `cascade.estimates`, price = 1 / lambda. The maximum is the best that
one could do after k without learning anything from k's answer; `option_k`, 0 or more, is what that answer is expected
to be worth as information. With no options the rule compares u_k - price c_k / c_top with v_S, for calling k only to
go on to l is never better than calling l. Tiers that are infeasible in the time left (`cascade.deadlines`) are not
called; while nothing has answered, some tier always is: the top where it is in time, else the one that the rule would
take without a limit. On stop, the answer that v_S belongs to is returned, so an escalation never
ends in an answer that is expected to be worse. Route-only and cascades that climb tier by tier are the same rule with
fewer calls allowed (`Reach`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Deadlines, Late
from routenlp.cascade.estimates import members
from routenlp.types import FloatArray, Parts

STOPS = -1
_DEADLINES = "deadlines."


class Reach(Enum):
    """Which tiers may be called."""

    DEARER = "dearer"
    """Any tier dearer than all that were run."""
    ONCE = "once"
    """Only a first tier: the router alone."""
    NEXT = "next"
    """The cheapest tier first, then the next dearer one: a cascade."""
    CLIMB = "climb"
    """Any tier first, then the next dearer one: a router before a cascade, as in the paper."""

    def allows(self, state: int, tiers: int) -> NDArray[np.bool_]:
        """By tier, whether it may be called in `state`."""
        position, dearest = np.arange(tiers), state.bit_length() - 1
        if self is Reach.ONCE:
            return np.full(tiers, state == 0)
        if self is Reach.NEXT or (self is Reach.CLIMB and state):
            return np.asarray(position == dearest + 1)
        return np.asarray(position > dearest)


@dataclass(frozen=True, slots=True, eq=False)
class Utility:
    """What is weighed against what. All dimensionless."""

    price: float
    """1 / lambda: the quality that calling the top tier must bring to be worth its cost. 0 or more."""
    margin: float
    """Bonus of the top tier's answer, in quality units. 0 or more."""
    options: FloatArray | None = None
    """Weights of `option_terms`, shape (states, K, TERMS), fitted for this price and margin; None: no look-ahead."""
    deadlines: Deadlines | None = None
    """Limits of latency with nu; None: time is not looked at."""

    def parts(self) -> Parts:
        """For storage."""
        arrays: dict[str, NDArray[np.generic]] = {"price_margin": np.array([self.price, self.margin])}
        if self.options is not None:
            arrays["options"] = self.options
        if self.deadlines is not None:
            arrays |= {f"{_DEADLINES}{name}": array for name, array in self.deadlines.parts().arrays.items()}
        return Parts("cascade/utility", arrays, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> Utility:
        """The inverse of `parts`; raises `KeyError` where an array is missing."""
        price, margin = np.asarray(parts.arrays["price_margin"], dtype=np.float64).tolist()
        options = parts.arrays.get("options")
        limits = {n.removeprefix(_DEADLINES): a for n, a in parts.arrays.items() if n.startswith(_DEADLINES)}
        return cls(
            price,
            margin,
            None if options is None else np.asarray(options, dtype=np.float64),
            Deadlines.from_parts(Parts("", limits, {})) if limits else None,
        )


ALWAYS_TOP = Utility(0.0, 2.0)
"""A margin of 2 outweighs every difference of qualities."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What to do with each of n queries in one state."""

    call: NDArray[np.int64]
    """Position of the tier to call, or `STOPS`, shape (n,)."""
    answer: NDArray[np.int64]
    """Position of the best answer so far, or `STOPS` where there is none yet, shape (n,)."""


def decide(
    predicted: FloatArray,
    state: int,
    relative_cost: FloatArray,
    utility: Utility,
    reach: Reach = Reach.DEARER,
    late: Late | None = None,
) -> Decisions:
    """What the rule does; of equals, stopping goes first, then the dearest tier.

    `predicted`: q_k(x, S), shape (n, K). `relative_cost`: c_k(x) / c_top, shape (n, K). `late`: None where time is no
    object.
    """
    n, tiers = predicted.shape
    worth = in_time(with_margin(predicted, utility.margin), state, late)
    stop, answer = best_so_far(worth, state)
    best, call = np.full(n, -np.inf), np.full(n, STOPS)
    for k in np.flatnonzero(reach.allows(state, tiers)):
        value = call_value(worth, stop, state, int(k), relative_cost, utility, reach)
        better = value >= best
        if late is not None:
            better &= late.feasible[:, k]
        call = np.where(better, k, call)
        best = np.where(better, value, best)
    if late is not None and not state and (call == STOPS).any():
        hopeless = call == STOPS
        without_limit = decide(predicted[hopeless], state, relative_cost[hopeless], utility, reach).call
        call[hopeless] = np.where(late.feasible[hopeless, -1], tiers - 1, without_limit)
    return Decisions(np.where(stop >= best, STOPS, call) if state else call, answer)


NEVER = -2.0
"""Worth of a tier that cannot answer in time: under every quality, and small enough to be reckoned with."""


def in_time(worth: FloatArray, state: int, late: Late | None) -> FloatArray:
    """Worths less what being late costs those not yet run, shape (n, K)."""
    if late is None:
        return worth
    hurried = np.where(late.feasible, worth - late.penalty, NEVER)
    run = members(state)
    hurried[:, run] = worth[:, run]
    return np.asarray(hurried)


def with_margin(quality: FloatArray, margin: float) -> FloatArray:
    """u_k: qualities of shape (n, K) with the top tier's bonus."""
    worth = quality.copy()
    worth[:, -1] += margin
    return worth


def best_so_far(worth: FloatArray, state: int) -> tuple[FloatArray, NDArray[np.int64]]:
    """v_S and the position of the answer it belongs to: minus infinity and `STOPS` where nothing was run."""
    run = members(state)
    if not run:
        return np.full(len(worth), -np.inf), np.full(len(worth), STOPS)
    best, answer = worth[:, run[0]], np.full(len(worth), run[0])
    for k in run[1:]:
        better = worth[:, k] > best
        best, answer = np.where(better, worth[:, k], best), np.where(better, k, answer)
    return best, answer


def call_value(
    worth: FloatArray,
    stop: FloatArray,
    state: int,
    k: int,
    relative_cost: FloatArray,
    utility: Utility,
    reach: Reach = Reach.DEARER,
) -> FloatArray:
    """What calling tier k is worth, shape (n,)."""
    otherwise = stop
    for later, paid in ways_on(k, relative_cost, reach):
        otherwise = np.maximum(otherwise, worth[:, later] - utility.price * paid)
    value: FloatArray = np.maximum(worth[:, k], otherwise) - utility.price * relative_cost[:, k]
    if utility.options is None:
        return value
    return value + option(utility.options[state, k], option_terms(worth[:, k], otherwise))


def ways_on(k: int, relative_cost: FloatArray, reach: Reach) -> Iterator[tuple[int, FloatArray]]:
    """Tiers that may still be called after k, with what coming there costs, shape (n,): a climb pays for every tier."""
    paid = np.zeros(len(relative_cost))
    for later in range(k + 1, relative_cost.shape[1] if reach is not Reach.ONCE else 0):
        paid = relative_cost[:, later] if reach is Reach.DEARER else relative_cost[:, later] + paid
        yield later, paid


TERMS = 6


def option_terms(own: FloatArray, otherwise: FloatArray) -> tuple[FloatArray, ...]:
    """What an answer may be worth as information depends on: how near its tier is to the best other way, and how open.

    Each of shape (n,). Information changes a decision only where the ways are close, so two terms fade with the gap.
    """
    gap = np.minimum(np.maximum(own - otherwise, -1.0), 1.0)  # 1 where there is no other way
    apart = np.abs(gap)
    return np.ones(len(own)), np.exp(-20.0 * apart), np.exp(-5.0 * apart), gap, apart, own * (1.0 - own)


def option(weights: FloatArray, terms: Sequence[FloatArray]) -> FloatArray:
    """What an answer is worth as information, 0 or more, shape (n,). `weights`: of `option_terms`, shape (TERMS,)."""
    worth = np.zeros(len(terms[0]))
    for weight, term in zip(weights, terms, strict=True):
        worth += weight * term
    return np.maximum(worth, 0.0)
