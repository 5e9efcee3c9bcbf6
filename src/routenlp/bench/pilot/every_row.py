"""The quality of the policies in force over every counted row once: what was served is only a draw of these rows.

A week of a task with 600 rows is a resample of them, and its quality scatters by 0.02 around that of the policy which
served. A policy answers each row in one way, so its quality over all of them can be had exactly: each way of serving is
run over every counted row of the task as it stands on a day in good health, and a stretch of days is the mean of its
ways, by how many of its queries each of them served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.front import Front
from routenlp.bench.pilot.log import ServedTable
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S
from routenlp.types import FloatArray

Served = tuple[int, Moment]
"""A way of serving (`Front.ways_of_serving`), and a moment at which it did."""


@dataclass(frozen=True, slots=True, eq=False)
class EveryRow:
    """One task's counted rows, none of them noisy."""

    groups: tuple[str, ...]
    """Of each row."""
    top: FloatArray
    """Quality of the top tier's answers, shape (rows,)."""
    quality: Mapping[Served, FloatArray]
    """Of what is returned, shape (rows,)."""

    def of(self, served: Sequence[Served]) -> FloatArray | None:
        """The mean over these queries' ways, row by row; None where there is none, or one of them is not known."""
        if not served or not set(served) <= set(self.quality):
            return None
        counts = {one: served.count(one) for one in dict.fromkeys(served)}
        return np.asarray(sum(n * self.quality[one] for one, n in counts.items()) / len(served))


def every_row(front: Front, table: ServedTable, moments: Sequence[Moment]) -> dict[str, EveryRow]:
    """By task. `moments`: by day; those on which a tier is worse are left out, for no figure is taken there."""
    day = ((table.at_s - BEGIN_S) // DAY_S).astype(np.int64)
    pairs = {(how, moments[d]) for how, d in set(zip(table.how.tolist(), day.tolist(), strict=True))}
    healthy = [(how, moment) for how, moment in pairs if not moment.worse]
    found = {}
    for task, plain in front.book.catalogue.plain.items():
        mine = {pair for pair in healthy if front.ways_of_serving[pair[0]].task == task}
        found[task] = _of_task(front, plain, sorted(mine, key=lambda pair: (pair[0], pair[1].price)))
    return found


def _of_task(front: Front, plain: NDArray[np.int64], served: Sequence[Served]) -> EveryRow:
    items = [item for item in plain.tolist() if front.book.catalogue.items[item].counted]
    best = front.book.portfolio.top
    return EveryRow(
        tuple(front.book.catalogue.items[item].example.group for item in items),
        np.array([front.book.quality(i, front.book.answer(best, i, "", Moment()).text) for i in items]),
        {(how, moment): _qualities(front, how, items, moment) for how, moment in served},
    )


def _qualities(front: Front, how: int, items: Sequence[int], moment: Moment) -> FloatArray:
    side = front.ways_of_serving[how].side
    return np.array([front.way(side, item, moment).quality for item in items])
