"""Counts, over many calibration draws, how often each certified rule deploys a policy that truly misses its target."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from routenlp.bench.guarantees.cells import Cell, every_cell, pairwise_cells
from routenlp.bench.guarantees.simulate import ASYMPTOTIC, CERTIFYING, ORACLES, Rule, selected
from routenlp.bench.guarantees.worlds import Spec, world
from routenlp.conformal.binomial import pmf

DELTA = 0.1
DRAWS = 1_000
POWER_AT = (500, 1_000, 2_000)
FALSE_ALARM = 1e-4
"""Chance that a bench of true promises reports a broken one, shared by all its cells."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One rule in one cell."""

    cell: Cell
    rule: str
    misses: int
    """Draws in which any task's deployed policy truly misses its target."""
    draws: int
    allowed: int
    """The most misses that are still compatible with a chance of delta."""
    always_top: float
    """Share of (draw, task) that end at always-top."""
    bill: float
    """Mean true bill, in units of always-top's."""

    @property
    def holds(self) -> bool:
        """Whether the promise is kept as far as this many draws can tell."""
        return self.misses <= self.allowed


def most_misses(draws: int, cells: int, delta: float = DELTA) -> int:
    """Smallest k with P(Binomial(draws, delta) > k) <= 1e-4 / cells."""
    above = np.cumsum(pmf(draws, delta)[::-1])[::-1]
    return int(np.count_nonzero(above > FALSE_ALARM / cells)) - 1


def check_cell(cell: Cell, *, draws: int = DRAWS, cells: int = 1, delta: float = DELTA) -> tuple[Kept, ...]:
    """Every certified rule in one cell. `cells`: how many are checked along with it, for the tolerance."""
    seed = zlib.crc32(repr(cell).encode())
    worlds = [world(spec, seed=seed + i) for i, spec in enumerate(cell.specs())]
    kept = []
    for name, rule in CERTIFYING.items():
        missed, at_top, bills = np.zeros(draws, dtype=bool), [], []
        for i, place in enumerate(worlds):
            g = selected(place, rule, n=cell.n, draws=draws, delta=delta / cell.tasks, seed=seed + 100 + i)
            missed |= rule.missed(place)[g]
            at_top.append(float(np.mean(g == 0)))
            bills.append(float(place.bills[g].mean()))
        allowed = most_misses(draws, cells * len(CERTIFYING), delta)
        kept.append(Kept(cell, name, int(missed.sum()), draws, allowed, float(np.mean(at_top)), float(np.mean(bills))))
    return tuple(kept)


def check(
    cells: Sequence[Cell], *, draws: int = DRAWS, advance: Callable[[int, int], None] | None = None
) -> tuple[Kept, ...]:
    """Every certified rule in every cell, at a tolerance shared by all. `advance(done, total)` counts cells."""
    kept: list[Kept] = []
    for done, cell in enumerate(cells, start=1):
        kept.extend(check_cell(cell, draws=draws, cells=len(cells)))
        if advance is not None:
            advance(done, len(cells))
    return tuple(kept)


POWER = Spec(shared=0.0)
"""One cheap tier at price 0.1, failure rate 0.2, AUROC 0.8; the top tier fails 0.1, independently."""


@dataclass(frozen=True, slots=True)
class Power:
    """What one rule's certificates cost in the POWER world, beside an oracle z-test on the same policies and rows."""

    rule: str
    n: int
    draws: int
    miss_share: float
    always_top: float
    escalated: float
    bill: float
    oracle_bill: float
    best_bill: float
    """Of the boldest policy that truly holds: what unlimited labels would give."""
    best_escalated: float


def power(n: int, *, draws: int = DRAWS, delta: float = DELTA, ladders: int = 5, seed: int = 0) -> tuple[Power, ...]:
    """`joint`, `quality_ratio` and its normal approximation, averaged over ladders from that many training samples."""
    rules = [
        ("joint", CERTIFYING["joint"], ORACLES["joint"]),
        ("quality_ratio", CERTIFYING["quality_ratio"], ORACLES["quality_ratio"]),
        ("quality_ratio, normal", ASYMPTOTIC, ORACLES["quality_ratio"]),
    ]
    return tuple(_power(*rule, n=n, draws=draws, delta=delta, ladders=ladders, seed=seed) for rule in rules)


def _power(name: str, rule: Rule, oracle: Rule, *, n: int, draws: int, delta: float, ladders: int, seed: int) -> Power:
    each = draws // ladders
    figures = []
    for i in range(ladders):
        place = world(POWER, seed=seed + i, population=100_000)
        g = selected(place, rule, n=n, draws=each, delta=delta, seed=seed + 100 + i)
        best = selected(place, oracle, n=n, draws=each, delta=delta, seed=seed + 100 + i)
        missed = rule.missed(place)
        truth = int(np.argmax(missed)) - 1 if missed.any() else len(missed) - 1
        figures.append(
            [
                missed[g].mean(),
                np.mean(g == 0),
                place.escalated[g].mean(),
                place.bills[g].mean(),
                place.bills[best].mean(),
                place.bills[truth],
                place.escalated[truth],
            ]
        )
    return Power(name, n, each * ladders, *(float(x) for x in np.mean(figures, axis=0)))


def run(
    *, every: bool, draws: int = DRAWS, advance: Callable[[int, int], None] | None = None
) -> tuple[tuple[Kept, ...], tuple[Power, ...]]:
    """The whole bench: promises in every cell, or in those that meet every pair of properties, and what they cost."""
    kept = check(every_cell() if every else pairwise_cells(), draws=draws, advance=advance)
    return kept, tuple(one for n in POWER_AT for one in power(n, draws=draws))


def as_lines(kept: Sequence[Kept], powers: Sequence[Power]) -> tuple[str, ...]:
    """What was found, in words, the worst first."""
    worst = max(kept, key=lambda one: one.misses)
    broken = [one for one in kept if not one.holds]
    lines = [
        f"{len(kept)} promises at delta {DELTA:g}, {worst.draws} calibrations each: {len(broken)} broken.",
        f"Most misses: {worst.misses / worst.draws:.3f} (up to {worst.allowed / worst.draws:.3f} is chance), by "
        f"{worst.rule} in {worst.cell}.",
        *(f"BROKEN: {one.rule} missed {one.misses} of {one.draws} times in {one.cell}." for one in broken),
    ]
    lines += [
        f"{one.rule}, n = {one.n}: bill {one.bill:.3f} of always-top ({one.bill / one.oracle_bill:.2f} times an oracle "
        f"z-test's; {one.best_bill:.3f} with unlimited labels), escalated {one.escalated:.3f}, always-top in "
        f"{one.always_top:.1%}, target missed in {one.miss_share:.1%} of calibrations."
        for one in powers
    ]
    return tuple(lines)


def as_json(kept: Sequence[Kept], powers: Sequence[Power]) -> dict[str, object]:
    """All figures, ready for `json.dumps`."""
    rows = [asdict(one) | {"holds": one.holds} for one in kept]
    return {
        "delta": DELTA,
        "checked": len(rows),
        "broken": sum(not one.holds for one in kept),
        "largest_miss_share": max((one.misses / one.draws for one in kept), default=None),
        "cells": rows,
        "power": [asdict(one) for one in powers],
    }
