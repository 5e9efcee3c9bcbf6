"""One policy of a ladder on test rows, with intervals."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.result import Point
from routenlp.replay.backtest.rows import Ladder, Rows, Run
from routenlp.replay.intervals import RowRatio, paired_bootstrap, wilson
from routenlp.types import FloatArray

DRAWS = 2_000


def measure_point(ladder: Ladder, rows: Rows, step: int, target: Target) -> Point:
    """Policy `step` on `rows`; ratios by a bootstrap of groups, rates by Wilson."""
    return measure_run(ladder.run(rows, step), rows, target)


def measure_run(run: Run, rows: Rows, target: Target) -> Point:
    """The same for a run that was made elsewhere."""
    return measure_handled(run, rows, target.handled_at)


def measure_handled(run: Run, rows: Rows, handled_at: float | FloatArray) -> Point:
    """The same where queries differ in what counts as handled: quality, for all or of each, shape (n,)."""
    quality, cost = run.quality(rows), run.cost_usd(rows)
    groups = [str(g) for g in rows.groups.tolist()]
    ratios = {
        "quality": RowRatio(quality, rows.quality[:, -1]),
        "cost": RowRatio(cost, rows.cost_usd[:, -1]),
    }
    drawn = paired_bootstrap(ratios, groups, seed=0, draws=DRAWS)
    cheap = run.final != len(rows.tiers) - 1
    lost = int((cheap & (quality < handled_at)).sum())
    return Point(
        quality_ratio=drawn.interval("quality"),
        cost_ratio=drawn.interval("cost"),
        escalated=float(np.mean(run.called.sum(axis=1) > 1)),
        p_accepted_and_failed=wilson(lost, rows.n),
        p_failed_given_accepted=wilson(lost, int(cheap.sum())),
    )
