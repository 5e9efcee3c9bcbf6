"""Counts, over many logs from worlds whose truth is known, how often intervals cover it, and how wide they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from routenlp.bench.frame import at_most
from routenlp.bench.off_policy.worlds import ACTIONS, Regression, Spec, World, draw_log, regression, world
from routenlp.conformal.binomial import pmf
from routenlp.replay.intervals import Interval
from routenlp.replay.off_policy.doubly_robust import MethodName
from routenlp.replay.off_policy.evaluation import OffPolicyReport, evaluate
from routenlp.replay.off_policy.weights import CLIP

LEVEL = 0.90
"""The share of logs whose truth is to be covered, by intervals that are nominally at 0.95."""
LOGS = 1_000
FALSE_ALARM = 1e-4
"""Chance that a bench of sound intervals reports one that is not, shared by all that it checks."""
FIGURES: Mapping[str, Callable[[OffPolicyReport], Interval]] = {
    "quality": lambda report: report.quality,
    "quality_ratio": lambda report: report.quality_ratio,
    "savings": lambda report: report.savings,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A world, and how its logs are evaluated."""

    spec: Spec = field(default_factory=Spec)
    n: int = 1_000
    regression: Regression = "fitted"
    clip: float = CLIP
    method: MethodName = "dr"


@dataclass(frozen=True, slots=True)
class Covered:
    """One figure in one cell."""

    cell: Cell
    figure: str
    logs: int
    given: int
    """Logs that gave an interval; the others said that they could not."""
    covered: int
    """Of those given."""
    truth: float
    width: float | None
    """Mean width of those given."""
    bias: float
    """Mean error of the estimate, over all logs."""

    @property
    def share(self) -> float | None:
        """Of the intervals given, those that hold the truth."""
        return self.covered / self.given if self.given else None


SPECS = (Spec(), Spec(epsilon=0.05), Spec(epsilon=0.1, grouped=True), Spec(graded=True, escalates=True))
REGRESSIONS: tuple[Regression, ...] = ("right", "wrong", "fitted")
GRID = (
    *(Cell(spec, n, kind) for spec in SPECS for n in (300, 1_000, 3_000) for kind in REGRESSIONS),
    Cell(Spec(epsilon=0.05), 3_000, "right", clip=10.0),
    Cell(Spec(epsilon=0.05), 3_000, "wrong", clip=10.0),
    Cell(Spec(), 1_000, method="sndr"),
    Cell(Spec(), 1_000, method="ips"),
    Cell(Spec(), 1_000, method="snips"),
)
"""What the bench runs; a wrong regression with clipped weights is in it to show what clipping costs then."""


def sound(cell: Cell) -> bool:
    """Whether coverage is promised: right propensities and weights that are not clipped, or a right regression."""
    return cell.regression == "right" or cell.clip >= len(ACTIONS) / cell.spec.epsilon


def fewest_covered(logs: int, checks: int = 1, level: float = LEVEL) -> int:
    """Smallest k with P(Binomial(logs, level) < k) over 1e-4 / checks, at most: fewer is no accident."""
    below = np.cumsum(pmf(logs, level))
    return int(np.count_nonzero(below <= FALSE_ALARM / checks))


def coverage(cell: Cell, *, logs: int = LOGS, seed: int = 0) -> tuple[Covered, ...]:
    """Every figure of one cell."""
    place = world(cell.spec, seed=seed)
    truth = true_figures(place)
    found: dict[str, list[Interval]] = {name: [] for name in FIGURES}
    for i in range(logs):
        logged, rows = draw_log(place, cell.n, seed=seed + 1 + i)
        expected = regression(cell.regression, place, rows)
        report = evaluate(logged, place.target[rows], expected=expected, method=cell.method, clip=cell.clip)
        for name, figure in FIGURES.items():
            found[name].append(figure(report))
    return tuple(count(cell, name, found[name], truth[name]) for name in FIGURES)


def true_figures(place: World) -> dict[str, float]:
    """By figure."""
    top = np.zeros_like(place.target)
    top[:, -1] = 1.0
    quality = place.mean(place.quality, place.target)
    cost_ratio = place.mean(place.cost_usd, place.target) / place.mean(place.cost_usd, top)
    return {
        "quality": quality,
        "quality_ratio": quality / place.mean(place.quality, top),
        "savings": 1.0 - cost_ratio,
    }


def count(cell: Cell, figure: str, found: Sequence[Interval], truth: float) -> Covered:
    """Intervals of many logs against the one truth."""
    bounds = [(one.low, one.high) for one in found if one.low is not None and one.high is not None]
    estimates = [one.estimate for one in found if one.estimate is not None]
    return Covered(
        cell,
        figure,
        logs=len(found),
        given=len(bounds),
        covered=sum(low <= truth <= high for low, high in bounds),
        truth=truth,
        width=float(np.mean([high - low for low, high in bounds])) if bounds else None,
        bias=float(np.mean(estimates)) - truth,
    )


def run(
    cells: Sequence[Cell] = GRID, *, logs: int = LOGS, advance: Callable[[int, int], None] | None = None
) -> tuple[Covered, ...]:
    """Every cell. `advance(done, total)` counts them."""
    out: list[Covered] = []
    for done, cell in enumerate(cells, start=1):
        out.extend(coverage(cell, logs=logs))
        if advance is not None:
            advance(done, len(cells))
    return tuple(out)


def checks(found: Sequence[Covered]) -> list[dict[str, object]]:
    """That no figure's intervals miss the truth more often than chance explains, wherever coverage is promised."""
    asked = [one for one in found if sound(one.cell) and one.given]
    misses = [(1.0 - one.covered / one.given, one) for one in asked]
    late = sum(one.covered < fewest_covered(one.given, len(asked)) for one in asked)
    worst, which = max(misses, key=lambda pair: pair[0])
    named = f"{which.figure}, n = {which.cell.n}, {which.cell.regression} regression"
    return [
        at_most("figures whose intervals cover the truth in under 90% of logs", float(late), 0.0),
        at_most(f"most misses: {named}", worst, 1.0 - fewest_covered(which.given, len(asked)) / which.given),
    ]


def as_lines(found: Sequence[Covered]) -> tuple[str, ...]:
    """A line for each figure of each cell."""
    return tuple(
        f"{one.figure}: {one.covered} of {one.given} intervals cover ({one.logs - one.given} of {one.logs} logs gave "
        f"none), width {'unknown' if one.width is None else format(one.width, '.3f')}, bias {one.bias:+.4f}; "
        f"n = {one.cell.n}, {one.cell.regression} regression, {one.cell.method}, clip {one.cell.clip:g}, "
        f"{one.cell.spec}"
        for one in found
    )
