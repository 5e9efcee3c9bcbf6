"""What a router could reach that knew every answer's quality and cost: the upper bound. No system is this one."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.baselines.knobs import (
    KnobLadder,
    best_value,
    even_prices,
    mean_cost,
    nothing,
    route,
    top_cost,
)
from routenlp.replay.backtest.rows import Rows, Run

_TIE = 1e-9


def fit_oracle(train: Rows, *, seed: int) -> KnobLadder[None, float]:  # noqa: ARG001 - as every baseline is fitted
    """First the cheapest of the best answers, then answers ever less worth their price.

    The only ladder that looks at the quality of the rows it runs on.
    """
    scale = top_cost(train) or 1.0

    def choose(rows: Rows, _: None, price: float) -> Run:
        if price == 0.0:
            best = rows.quality >= rows.quality.max(axis=1, keepdims=True) - _TIE
            cheapest = np.where(best, rows.cost_usd, np.inf).argmin(axis=1)
            return route(cheapest.astype(np.int64), len(rows.tiers))
        return best_value(rows.quality, rows.cost_usd / scale, price)

    return KnobLadder(
        "oracle", even_prices(lambda price: mean_cost(train, choose(train, None, price))), nothing, choose
    )
