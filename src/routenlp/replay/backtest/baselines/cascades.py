"""Climbing from tier to tier until an answer is taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.backtest.rows import Run


def climb(accepts: NDArray[np.bool_], member: NDArray[np.bool_]) -> Run:
    """Calls the tiers of `member` from the cheapest on, up to the first whose answer is accepted; else to the last.

    `accepts`: whether each tier's answer would be, (n, tiers). `member`: the tiers in use, (tiers,) or (n, tiers), at
    least one for each row.
    """
    used = np.broadcast_to(member, accepts.shape)
    tiers = accepts.shape[1]
    last = tiers - 1 - used[:, ::-1].argmax(axis=1)
    takes = accepts & used
    takes[np.arange(len(takes)), last] = True
    final = takes.argmax(axis=1)
    return Run(final.astype(np.int64), np.asarray(used & (np.arange(tiers) <= final[:, None])))
