"""One task as it arrives: whole documents in random order, each row with the fold that its document belongs to.

Training rows are requests whose top answer may become a lesson; calibration and gate rows are audits, on which every
tier is run and which people graded; test rows are requests that count, and that nothing learns from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from routenlp.bench.loop.world import Screened
from routenlp.replay.folds import Folds, row_hash
from routenlp.types import Example


class Use(StrEnum):
    """What becomes of a row."""

    LEARN = "learn"
    CALIBRATE = "calibrate"
    GATE = "gate"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request."""

    example: Example
    use: Use
    barred: bool
    """It resembles a row that is held out, so that nothing may learn from it."""


def arrivals(screened: Screened, *, seed: int) -> list[Arrival]:
    """Every row of the task once. The order of documents follows from `seed`; within one they keep theirs."""
    barred = {
        row_hash(example)
        for example, overlaps in zip(screened.folds.train.examples, screened.overlaps, strict=True)
        if overlaps
    }
    by_group: dict[str, list[Arrival]] = {}
    for use, examples in _folds(screened.folds).items():
        for example in examples:
            one = Arrival(example, use, use is Use.LEARN and row_hash(example) in barred)
            by_group.setdefault(example.group, []).append(one)
    names = sorted(by_group)
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    return [one for i in order for one in by_group[names[i]]]


def _folds(folds: Folds) -> Mapping[Use, Sequence[Example]]:
    return {
        Use.LEARN: folds.train.examples,
        Use.CALIBRATE: folds.calibrate.examples,
        Use.GATE: folds.gate.examples,
        Use.COUNT: folds.test.examples,
    }
