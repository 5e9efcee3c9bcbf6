"""What the freedom to call any dearer tier at any time is worth: the same rule and estimates, with fewer calls allowed.

Of each `Reach`, the cost at which its policies hold the target quality on rows that no fit saw, read off their hull.
Every reach looks ahead where that pays on training rows, so a cascade that climbs tier by tier is compared at its best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.cascade.decision import Reach
from routenlp.replay.backtest.certify import Replays, as_replays, replay_all
from routenlp.replay.backtest.ladder import ContinuationLadder, ladder_of
from routenlp.replay.backtest.measures import auroc, quality_cost_hull
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.replay.intervals import Interval
from routenlp.training.continuation import FittedContinuation
from routenlp.types import FloatArray

FREE, RIVALS = Reach.DEARER, (Reach.ONCE, Reach.NEXT)
PRICES = np.geomspace(1e-3, 30.0, 64)
"""Of cost, in quality units, at which the router that foresees is tried."""
INFORMS_FROM = 0.7
"""AUROC from which a confidence is said to inform."""


@dataclass(frozen=True, slots=True)
class Reaches:
    """Costs are of always-top; intervals are 95%, over groups of rows, the same draws for all reaches."""

    cost: Mapping[Reach, Interval]
    """At the target quality, which policy 0 holds, at whatever cost."""
    over_better: Interval
    """Cost of the free rule over that of the better of route-only and cascade-only: under 1 is a gain."""
    least_over_better: Interval
    """The same of a router that knows every cheap tier's signals for nothing and pays for one tier: by the same
    estimates no rule that buys signals by calling tiers can be under it."""
    auroc: tuple[float | None, ...]
    """Of each cheap tier's confidence for its own quality, cheapest first; None where it gives none."""

    @property
    def informs(self) -> bool:
        """Whether some cheap tier's confidence tells its good answers from its bad ones."""
        return any(found is not None and found >= INFORMS_FROM for found in self.auroc)

    @property
    def loses(self) -> bool:
        """Whether the free rule costs more than the better of both, by more than chance."""
        return self.over_better.low is not None and self.over_better.low > 1.0


def compare_reaches(
    fitted: FittedContinuation, train: Rows, rows: Rows, *, eps: float = 0.03, seed: int, draws: int = 500
) -> Reaches:
    """`fitted` on `train`; compared on `rows` at a quality ratio of 1 - eps."""
    ladders = {reach: ladder_of(fitted, train, reach, seed=seed) for reach in Reach}
    replays = {reach: replay_all(ladder, rows) for reach, ladder in ladders.items()}
    counts = _draw(rows, draws, seed)
    by_reach = {reach: _costs(replay, counts, 1.0 - eps) for reach, replay in replays.items()}
    better = np.min([by_reach[reach] for reach in RIVALS], axis=0)
    least = _costs(_foreseeing(ladders[FREE], rows), counts, 1.0 - eps)
    return Reaches(
        {reach: _interval(costs) for reach, costs in by_reach.items()},
        _interval(by_reach[FREE] / better),
        _interval(least / better),
        _aurocs(rows),
    )


def _foreseeing(ladder: ContinuationLadder, rows: Rows) -> Replays:
    """At each price, every query at the tier that is worth most once all cheap tiers' answers are known."""
    seen, tiers = ladder.see(rows), len(rows.tiers)
    known = seen.quality[2 ** (tiers - 1) - 1]
    finals = [np.full(rows.n, tiers - 1), *(np.argmax(known - p * seen.relative_cost, axis=1) for p in PRICES)]
    return as_replays([Run(final, np.eye(tiers, dtype=np.bool_)[final]) for final in finals], rows)


def _draw(rows: Rows, draws: int, seed: int) -> FloatArray:
    """How often each row counts: once in the first line, then as often as its group is drawn; (1 + draws, n)."""
    member = np.unique(rows.groups, return_inverse=True)[1]
    groups = int(member.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1.0 / groups), size=draws)
    return np.concatenate([np.ones((1, rows.n)), drawn[:, member].astype(np.float64)])


def _costs(replays: Replays, counts: FloatArray, ratio: float) -> FloatArray:
    """Cost at the target under each draw, shape (1 + draws,)."""
    quality = counts @ replays.quality.T / (counts @ replays.top)[:, None]
    cost = counts @ replays.cost_usd.T / (counts @ replays.top_cost_usd)[:, None]
    return np.array([_cost_at(c, q, ratio) for c, q in zip(cost, quality, strict=True)])


def _cost_at(cost: FloatArray, quality: FloatArray, ratio: float) -> float:
    reached = quality_cost_hull(cost, quality).cost_of(ratio)
    return np.nan if reached is None else max(reached, float(cost.min()))


def _interval(drawn: FloatArray) -> Interval:
    low, high = np.quantile(drawn[1:], [0.025, 0.975]).tolist()
    return Interval(float(drawn[0]), low, high)


def _aurocs(rows: Rows) -> tuple[float | None, ...]:
    pairs: Sequence[tuple[FloatArray, FloatArray]] = list(zip(rows.confidence.T, rows.quality.T, strict=True))[:-1]
    return tuple(auroc(confidence, quality) for confidence, quality in pairs)
