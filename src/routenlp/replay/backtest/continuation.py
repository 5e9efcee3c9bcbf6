"""The continuation rule over recorded rows, vectorised: the moves of the machine, for all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Deadlines, Late
from routenlp.cascade.decision import STOPS, Reach, Utility, decide
from routenlp.cascade.estimates import members
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """What a rule with deadlines must know of n queries."""

    task: NDArray[np.int64]
    latency_s: FloatArray
    """As recorded, shape (n, K); NaN where not known."""
    log_median: FloatArray | None = None
    """ln of the seconds that the router expects, shape (n, K); None where it expects none."""


def timed(rows: Rows, log_median: FloatArray | None = None) -> Timed:
    """Of recorded rows."""
    unknown = np.full(rows.quality.shape, np.nan)
    return Timed(rows.task, unknown if rows.latency_s is None else rows.latency_s, log_median)


def replay(
    predicted: FloatArray,
    relative_cost: FloatArray,
    utility: Utility,
    reach: Reach = Reach.DEARER,
    timed: Timed | None = None,
) -> Run:
    """`predicted`: q_k(x, S), shape (states, n, K). `relative_cost`: c_k(x) / c_top, shape (n, K).

    `timed` must be given where the utility has deadlines, else ValueError. States are visited in rising order: a call
    adds a dearer tier, which is a higher bit, so none is visited too early.
    """
    states, n, tiers = predicted.shape
    deadlines = utility.deadlines
    if deadlines is not None and timed is None:
        raise ValueError("a utility with deadlines needs tasks and latencies")
    state, spent_s = np.zeros(n, dtype=np.int64), np.zeros(n)
    final = np.full(n, STOPS, dtype=np.int64)
    for s in range(states):
        here = np.flatnonzero((state == s) & (final == STOPS))
        if not here.size:
            continue
        late = _late(deadlines, timed, here, spent_s) if deadlines and timed else None
        whole = here.size == n  # as before the first answer: nothing to copy
        known, costs = (predicted[s], relative_cost) if whole else (predicted[s, here], relative_cost[here])
        decisions = decide(known, s, costs, utility, reach, late)
        stops = decisions.call == STOPS
        final[here[stops]] = decisions.answer[stops]
        goes, call = here[~stops], decisions.call[~stops]
        state[goes] |= np.int64(1) << call
        if deadlines and timed:
            spent_s[goes] += deadlines.taken(timed.task[goes], call, timed.latency_s[goes, call])
    return Run(final, _called(state, tiers))


def _late(deadlines: Deadlines, timed: Timed, here: NDArray[np.int64], spent_s: FloatArray) -> Late:
    expected = None if timed.log_median is None else timed.log_median[here]
    return deadlines.weigh(timed.task[here], spent_s[here], expected)


def _called(state: NDArray[np.int64], tiers: int) -> NDArray[np.bool_]:
    return np.asarray((state[:, None] >> np.arange(tiers)) & 1, dtype=np.bool_)


def reachable(state: int, reach: Reach) -> bool:
    """Whether any query can come into a state."""
    run = members(state)
    if reach is Reach.ONCE:
        return len(run) <= 1
    if reach is Reach.CLIMB:
        return not run or run == list(range(run[0], run[-1] + 1))
    return reach is Reach.DEARER or run == list(range(len(run)))
