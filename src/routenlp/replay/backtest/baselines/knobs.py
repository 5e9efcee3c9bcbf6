"""A ladder whose policies differ in one knob, and which settings of a knob are worth a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray

STEPS = 32
"""Policies of a ladder: about 3% of always-top's cost apart."""
COARSE = tuple(np.geomspace(1e-4, 1e4, 13).tolist())
_TRIED = 72
_CLOSEST = 1.002
"""Prices nearer to each other than this factor are one: a step between them belongs to rows that are alike."""
_KEPT = 3
"""Folds that a ladder is usually run on, one step after the other: train, calibrate, test."""

Seen = TypeVar("Seen")
Knob = TypeVar("Knob")


@dataclass(frozen=True, slots=True, eq=False)
class KnobLadder(Generic[Seen, Knob]):
    """What a system sees in rows is computed once for all its policies; the knob then decides.

    Not for several threads at once: it remembers what it saw in the rows of its last few runs.
    """

    name: str
    knobs: tuple[Knob, ...]
    see: Callable[[Rows], Seen]
    decide: Callable[[Rows, Seen, Knob], Run]
    begins_at_top: bool = False
    """Whether policy 0 is always-top, ahead of the knob's settings: a retreat for routers that would not offer one."""
    _kept: list[tuple[Rows, Seen]] = field(default_factory=list, repr=False)

    @property
    def size(self) -> int:
        """Number of policies."""
        return len(self.knobs) + self.begins_at_top

    def run(self, rows: Rows, step: int) -> Run:
        """Policy number `step`, 0 the most cautious. Raises IndexError where there is none of that number."""
        if not 0 <= step < self.size:
            raise IndexError(f"{self.name} has policies 0 to {self.size - 1}, not {step}")
        if step == 0 and self.begins_at_top:
            return route(np.full(rows.n, len(rows.tiers) - 1, dtype=np.int64), len(rows.tiers))
        return self.decide(rows, self._seen(rows), self.knobs[step - self.begins_at_top])

    def _seen(self, rows: Rows) -> Seen:
        for kept, seen in self._kept:
            if kept is rows:
                return seen
        seen = self.see(rows)
        self._kept.append((rows, seen))
        del self._kept[:-_KEPT]
        return seen


def nothing(_: Rows) -> None:
    """What a system sees that looks at no query."""


def route(choice: NDArray[np.int64], tiers: int) -> Run:
    """One call for each query, to the tier at `choice`, shape (n,)."""
    return Run(choice, np.asarray(np.arange(tiers) == choice[:, None]))


def best_value(quality: FloatArray, cost: FloatArray, price: float) -> Run:
    """For each row the tier of the largest quality - price x cost; among equals the cheapest. Both (n, tiers)."""
    choice = np.argmax(quality - price * cost, axis=1).astype(np.int64)
    return route(choice, quality.shape[1])


def even_prices(cost_at: Callable[[float], float], *, below: float = np.inf) -> tuple[float, ...]:
    """Prices of cost, from 0 up, at which mean cost falls in steps as even as can be found; see `spread`.

    A price is the quality that one always-top's cost is worth. `cost_at`: mean cost on training rows at a price. The
    widest step is halved, again and again: where cost falls depends on the portfolio's prices, over many decades.
    """
    prices = [0.0, *COARSE]
    costs = [cost_at(price) for price in prices]
    while len(prices) < _TRIED:
        gaps = [
            high - low if 0.0 < left < right / _CLOSEST else 0.0
            for left, right, high, low in zip(prices, prices[1:], costs, costs[1:], strict=False)
        ]
        widest = int(np.argmax(gaps))
        if gaps[widest] <= 0.0:
            break
        between = float(np.sqrt(prices[widest] * prices[widest + 1]))
        prices.insert(widest + 1, between)
        costs.insert(widest + 1, cost_at(between))
    return tuple(prices[at] for at in spread(np.array(costs), below=below))


def spread(costs: FloatArray, *, below: float = np.inf, steps: int = STEPS) -> list[int]:
    """Which of many settings become policies: at most `steps`, about evenly spaced in cost, each cheaper than the last.

    `costs`: mean cost of each setting on training rows, settings by rising boldness, shape (settings,). Only settings
    that cost less than `below`; of these the first and the cheapest are among the chosen.
    """
    falling = np.flatnonzero(costs < np.minimum(below, np.concatenate([[np.inf], np.minimum.accumulate(costs)[:-1]])))
    if not len(falling):
        return []
    levels = np.linspace(costs[falling[0]], costs[falling[-1]], steps)
    nearest = np.abs(costs[falling][:, None] - levels).argmin(axis=0)
    return [int(at) for at in falling[np.unique(nearest)]]


def frontier(costs: FloatArray, quality: FloatArray, *, below: float = np.inf, steps: int = STEPS) -> list[int]:
    """Of settings in no order, those that no other beats in both means, dearest first, thinned by `spread`."""
    order = np.lexsort((-quality, costs))
    best = np.concatenate([[-np.inf], np.maximum.accumulate(quality[order])[:-1]])
    front = order[quality[order] > best][::-1]
    return [int(front[at]) for at in spread(costs[front], below=below, steps=steps)]


def top_cost(rows: Rows) -> float:
    """Mean of a query at the top tier, in USD."""
    return float(rows.cost_usd[:, -1].mean())


def mean_cost(rows: Rows, run: Run) -> float:
    """Of a query, in USD."""
    return float(run.cost_usd(rows).mean())
