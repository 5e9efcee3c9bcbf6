"""Which of the recorded models are worth being tiers, and why the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.errors import SettingsError
from routenlp.replay.outcomes.table import Dropped, OutcomeTable
from routenlp.types import FloatArray

MOST = 5
"""Tiers of a portfolio: the continuation rule weighs every set of tiers already called, which are 2^K."""


@dataclass(frozen=True, slots=True)
class Tiers:
    """Names, cheapest first; the last is the top tier."""

    names: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()


def asked_tiers(table: OutcomeTable, names: Sequence[str]) -> Tiers:
    """These, in this order. What their mean cost and quality say against it is noted, not changed.

    Raises `SettingsError` for a name that the table does not hold or that comes twice, and for fewer than 2 or more
    than `MOST`.
    """
    if not 2 <= len(names) <= MOST:
        raise SettingsError("tiers", f"names {len(names)} models", f"Name 2 to {MOST}, cheapest first")
    chosen = table.with_models(names)
    cost, quality = chosen.mean_cost_usd, chosen.mean_quality
    notes = [
        f"{after} is asked for after {before}, and costs less (mean {_usd(high)} and {_usd(low)})."
        for before, after, high, low in zip(names[:-1], names[1:], cost[1:], cost[:-1], strict=True)
        if high < low
    ]
    best = int(quality.argmax())
    if quality[best] > quality[-1]:
        means = f"{quality[best]:.3f} and {quality[-1]:.3f}"
        notes.append(f"{names[-1]} is asked for as the top tier, and {names[best]} is better (mean quality {means}).")
    left_out = "it is not among the tiers asked for"
    dropped = tuple(Dropped(f"model {m}", table.n, left_out) for m in table.models if m not in names)
    return Tiers(tuple(names), dropped, tuple(notes))


def efficient_tiers(table: OutcomeTable, *, most: int = MOST) -> Tiers:
    """At most `most` models by mean cost and mean quality; the top tier is the one of the best quality.

    Dominated models go (another costs no more and is at least as good). Of the rest, those on the upper hull of
    quality over cost come first; where they are too many, the one goes whose loss takes the least area from under the
    hull, which is the least AIQ. Where they are too few, models closest under the hull fill up: the hull only speaks of
    random mixtures, and a router that sees the query may know where such a model is the better one. Choose on the
    training fold: it is a choice made by looking at quality.
    """
    if most < 2:
        raise SettingsError("tiers", f"at most {most} are allowed", "Allow 2 or more")
    cost, quality = table.mean_cost_usd, table.mean_quality
    reasons: dict[int, str] = {}
    front = _front(table, reasons)
    corners = _thinned(_hull(front, cost, quality), cost, quality, most)
    gap = {k: _hull_quality(cost[k], corners, cost, quality) - quality[k] for k in front if k not in corners}
    filled = sorted(gap, key=lambda k: (gap[k], k))[: most - len(corners)]
    chosen = sorted([*corners, *filled])
    for k in sorted(set(gap) - set(filled)):
        reasons[k] = f"{most} tiers at most, and it adds least: {_beside(gap[k])} a mixture of those kept at its cost"
    names = tuple(table.models[k] for k in chosen)
    dropped = tuple(Dropped(f"model {table.models[k]}", table.n, reasons[k]) for k in sorted(reasons))
    only = f"{names[0]} is the cheapest model and the best: no router can do better than to use it always."
    return Tiers(names, dropped, (only,) if len(names) == 1 else ())


def _front(table: OutcomeTable, reasons: dict[int, str]) -> list[int]:
    """Positions of the models that no other dominates, by cost. Says of the others why."""
    cost, quality = table.mean_cost_usd, table.mean_quality
    front: list[int] = []
    for k in sorted(range(len(table.models)), key=lambda k: (cost[k], -quality[k], table.models[k])):
        if front and quality[k] <= quality[front[-1]]:
            better = front[-1]
            reasons[k] = (
                f"{table.models[better]} costs no more ({_usd(cost[better])} and {_usd(cost[k])} a query) "
                f"and is at least as good ({quality[better]:.3f} and {quality[k]:.3f})"
            )
        else:
            front.append(k)
    return front


def _hull(front: Sequence[int], cost: FloatArray, quality: FloatArray) -> list[int]:
    """Corners of the upper hull over the origin (no answer, no cost) and the front, by cost."""
    corners: list[int] = []
    for k in front:
        while corners and _corner_area([-1, *corners][-2], corners[-1], k, cost, quality) <= 0.0:
            corners.pop()
        corners.append(k)
    return corners


def _thinned(corners: list[int], cost: FloatArray, quality: FloatArray, most: int) -> list[int]:
    """`most` of the corners, the last among them."""
    corners = list(corners)
    while len(corners) > most:
        around = [-1, *corners]
        loss = [_corner_area(*three, cost, quality) for three in zip(around, around[1:], around[2:], strict=False)]
        del corners[int(np.argmin(loss))]
    return corners


def _corner_area(before: int, at: int, after: int, cost: FloatArray, quality: FloatArray) -> float:
    """What the hull loses without `at`, in quality x USD; not positive where that is no corner. -1: the origin."""
    x, y = (0.0, 0.0) if before < 0 else (cost[before], quality[before])
    up, along = quality[at] - y, cost[at] - x
    return float((up * (cost[after] - x) - along * (quality[after] - y)) / 2.0)


def _hull_quality(usd: float, corners: Sequence[int], cost: FloatArray, quality: FloatArray) -> float:
    """The best mean quality of a random mixture of the corners, and of not answering, at `usd` a query."""
    return float(np.interp(usd, [0.0, *cost[list(corners)]], [0.0, *quality[list(corners)]]))


def _beside(gap: float) -> str:
    return f"{abs(gap):.3f} {'worse' if gap > 0.0 else 'better'} than"


def _usd(value: float) -> str:
    return f"USD {value:.3g}"
