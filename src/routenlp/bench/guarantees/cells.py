"""The grid of worlds in which promises are checked, and a small part that still meets every pair of properties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from routenlp.bench.guarantees.worlds import Spec

AUROC = {"informative": 0.8, "weak": 0.6, "useless": 0.5}
FAILS = {1: (0.2,), 2: (0.3, 0.15), 3: (0.35, 0.2, 0.12)}
PRICES = {1: (0.1,), 2: (0.1, 0.3), 3: (0.02, 0.1, 0.3)}
HARDER = (1.0, 0.7, 1.3, 0.5, 1.6, 0.85)
"""By how much each task's failure rates differ from those above."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of properties."""

    n: int
    score: str
    quality: str
    ties: bool
    tiers: int
    """Cheap ones."""
    tasks: int
    """Certified together, each at its share of one delta."""
    grouped: bool

    def specs(self) -> tuple[Spec, ...]:
        """One world a task."""
        return tuple(
            Spec(
                auroc=AUROC[self.score],
                graded=self.quality == "graded",
                levels=6 if self.ties else None,
                fails=tuple(rate * harder for rate in FAILS[self.tiers]),
                prices=PRICES[self.tiers],
                grouped=self.grouped,
            )
            for harder in HARDER[: self.tasks]
        )


VALUES: dict[str, Sequence[object]] = {
    "n": (50, 100, 500, 2000),
    "score": tuple(AUROC),
    "quality": ("binary", "graded"),
    "ties": (False, True),
    "tiers": (1, 2, 3),
    "tasks": (1, 2, 6),
    "grouped": (False, True),
}


def every_cell() -> tuple[Cell, ...]:
    """The whole grid."""
    return tuple(Cell(*values) for values in itertools.product(*VALUES.values()))  # type: ignore[arg-type]


def pairwise_cells() -> tuple[Cell, ...]:
    """Few cells in which every two values of two properties meet at least once.

    Greedy: always the cell that meets most pairs not yet met, and of those the one with the fewest rows.
    """
    cells = sorted(every_cell(), key=lambda cell: cell.n * cell.tasks)
    missing = set().union(*(set(_pairs(cell)) for cell in cells))
    chosen = []
    while missing:
        best = max(cells, key=lambda cell: len(missing.intersection(_pairs(cell))))
        missing.difference_update(_pairs(best))
        chosen.append(best)
    return tuple(chosen)


def _pairs(cell: Cell) -> Iterator[tuple[object, ...]]:
    named = [(field.name, getattr(cell, field.name)) for field in fields(cell)]
    yield from itertools.combinations(named, 2)
