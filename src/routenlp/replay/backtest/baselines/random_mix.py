"""The line that any router must beat: the cheapest tier and the top tier, mixed without looking at the query."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.baselines.knobs import STEPS, KnobLadder, nothing, route
from routenlp.replay.backtest.rows import Rows, Run


def fit_random_mix(train: Rows, *, seed: int) -> KnobLadder[None, float]:  # noqa: ARG001 - as every baseline
    """Shares of cheapest-tier queries from 0 to 1. Shares are exact to one query; which ones follows from the seed.

    RouterBench (Hu et al. 2024, arXiv 2403.12031) calls this the linear interpolation of two routers.
    """

    def mix(rows: Rows, _: None, cheap_share: float) -> Run:
        place = np.random.default_rng([seed, rows.n]).permutation(rows.n)
        cheap = (place + 0.5) / rows.n <= cheap_share
        return route(np.where(cheap, 0, len(rows.tiers) - 1), len(rows.tiers))

    return KnobLadder("random_mix", tuple(np.linspace(0.0, 1.0, STEPS).tolist()), nothing, mix)
