"""One tier for every query."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.baselines.knobs import KnobLadder, nothing, route
from routenlp.replay.backtest.rows import Rows, Run


def always(tiers: tuple[str, ...]) -> tuple[KnobLadder[None, int], ...]:
    """A ladder of a single policy for each tier, called `always:TIER`. Nothing is fitted."""
    return tuple(KnobLadder(f"always:{name}", (at,), nothing, _call) for at, name in enumerate(tiers))


def _call(rows: Rows, _: None, tier: int) -> Run:
    return route(np.full(rows.n, tier, dtype=np.int64), len(rows.tiers))
