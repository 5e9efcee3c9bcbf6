"""A ladder on the rows that it was fitted on, as if it had not seen them."""

from __future__ import annotations

from routenlp.replay.backtest.certify import Rehearsal, as_replays, units_of
from routenlp.replay.backtest.continuation import replay, timed
from routenlp.replay.backtest.ladder import ContinuationLadder
from routenlp.replay.backtest.rows import Rows


def rehearse(ladder: ContinuationLadder, train: Rows, *, seed: int) -> Rehearsal:
    """Every policy on cross-fitted estimates of `train`, the rows of its fit: fitted ones would flatter the bold."""
    fitted = ladder.fitted
    at = timed(train, fitted.latency.held_out)
    runs = [replay(fitted.held_out, fitted.held_out_cost, utility, ladder.reach, at) for utility in ladder.utilities]
    return Rehearsal(as_replays(runs, train), units_of(train, train, seed=seed))
