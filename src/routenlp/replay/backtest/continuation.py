"""The continuation rule over recorded rows, vectorised: the moves of the machine, for all rows at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.continuation import STOPS, Reach, Utility, decide
from routenlp.cascade.estimates import members
from routenlp.replay.backtest.rows import Run
from routenlp.types import FloatArray


def replay(predicted: FloatArray, relative_cost: FloatArray, utility: Utility, reach: Reach = Reach.DEARER) -> Run:
    """`predicted`: q_k(x, S), shape (states, n, K). `relative_cost`: c_k(x) / c_top, shape (n, K).

    States are visited in rising order: a call adds a dearer tier, which is a higher bit, so none is visited too early.
    """
    states, n, tiers = predicted.shape
    state = np.zeros(n, dtype=np.int64)
    final = np.full(n, STOPS, dtype=np.int64)
    for s in range(states):
        here = np.flatnonzero((state == s) & (final == STOPS))
        if not here.size:
            continue
        decisions = decide(predicted[s, here], s, relative_cost[here], utility, reach)
        stops = decisions.call == STOPS
        final[here[stops]] = decisions.answer[stops]
        state[here[~stops]] |= np.int64(1) << decisions.call[~stops]
    return Run(final, _called(state, tiers))


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
