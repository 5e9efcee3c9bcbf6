"""Which tasks a turn can prove anything of. One with too few gate rows is left as it is, and holds up no other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routenlp.loop.delta import Spent, next_level, row_keys
from routenlp.loop.gate import Bar, rows_lacking
from routenlp.types import Example


@dataclass(frozen=True, slots=True)
class TooFew:
    """A task of which nothing could be proved, even of a candidate that loses nothing."""

    task: str
    rows: int
    """Of the gate fold."""
    groups: int
    """That they make: what counts."""
    lacking: int | None
    """So many more rows would do, in groups as large as these; None: no number would, at this level."""
    level: float
    """What the turn may spend."""

    @property
    def reason(self) -> str:
        """In words."""
        grouped = f" in {self.groups:,} groups" if self.groups < self.rows else ""
        like = " in groups like these" if grouped else ""
        more = "more than there can be" if self.lacking is None else f"{self.lacking:,} more{like}"
        return (
            f"Task {self.task} stays as it is: it has {self.rows:,} gate rows{grouped}, and it takes {more} to show "
            f"that a turn does it no harm, at the level of {self.level:.3g} that is left to spend."
        )


def too_few(gate: Mapping[str, Sequence[Example]], spent: Sequence[Spent], bar: Bar, *, seed: int) -> dict[str, TooFew]:
    """By task, those to leave out; the rows of the others are enough at the level that they may spend together.

    `gate`: the gate rows of every task that would learn. Their number and their groups are all that is looked at. The
    task that lacks most goes first: the level may rise without it, for fewer looks were taken at what is left.
    """
    left, out = dict(gate), {}
    while left:
        level = next_level(spent, row_keys(e.query.id for rows in left.values() for e in rows))
        lacking = {t: rows_lacking([e.group for e in rows], bar, level=level, seed=seed) for t, rows in left.items()}
        worst = max(sorted(lacking), key=lambda task: math.inf if (n := lacking[task]) is None else n)
        if lacking[worst] == 0:
            break
        rows = left.pop(worst)
        out[worst] = TooFew(worst, len(rows), len({e.group for e in rows}), lacking[worst], level)
    return out
