"""Which rows may be learned from, and which are counted: by a hash over the whole pilot, and no row is both.

The training fold of each task is cut again. `START` of it fits the first tiers, `LESSONS` arrives as traffic that the
loop may learn from, the rest arrives as traffic too and is counted, as the test fold is. Quality, audits and bill are
taken over counted rows alone. A row whose text a fit, a calibration or a gate has seen, or that resembles a lesson, is
in no pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from routenlp.draws import draw
from routenlp.loop.contamination import find_overlaps, take_prints
from routenlp.replay.folds import Folds, row_hash
from routenlp.types import CalibrationFold, Example, GateFold, Query, TrainingFold

START, LESSONS = 0.6, 0.2
"""Shares of a task's training fold, by group."""
SALT = "pilot"
MOST: Mapping[str, tuple[int, int]] = MappingProxyType({"cs_response": (600, 150)})
"""Counted rows and lessons, at most, drawn by hash: its dearest student takes some 60 ms for each."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What one task's traffic is drawn from, with replacement."""

    task: str
    counted: tuple[Example, ...]
    lessons: tuple[Example, ...]
    """That the loop may learn from; never audited, never counted."""
    barred: int
    """Rows that would have been lessons, and resemble a counted one."""


def divide(folds: Folds, answered: Callable[[Query], bool] = lambda _: True) -> tuple[Folds, Pool]:
    """The same folds with a smaller training fold, and the rows that arrive.

    Only rows that are `answered` by the tiers which replay recordings arrive, calibrate or gate; any may be fitted on.
    """
    task = folds.train.task
    parts: tuple[list[Example], list[Example], list[Example]] = ([], [], [])
    for example in folds.train.examples:
        at = draw(SALT, task, example.group)
        parts[0 if at < START else 1 if at < START + LESSONS else 2].append(example)
    start, may_teach, rest = parts
    seen = {row_hash(e) for e in (*start, *folds.calibrate.examples, *folds.gate.examples)}
    counted = _fresh([e for e in (*rest, *folds.test.examples) if answered(e.query)], seen)
    candidates = _fresh([e for e in may_teach if answered(e.query)], seen)
    sides = [take_prints([e.query for e in part]) for part in (candidates, counted)]
    near = {overlap.lesson for overlap in find_overlaps(*sides)} if candidates and counted else set()
    lessons = [e for i, e in enumerate(candidates) if i not in near]
    most = MOST.get(task, (len(counted), len(lessons)))
    counted, lessons = _some(counted, most[0]), _some(lessons, most[1])
    smaller = replace(
        folds,
        train=TrainingFold(task, tuple(start)),
        calibrate=CalibrationFold(task, tuple(e for e in folds.calibrate.examples if answered(e.query))),
        gate=GateFold(task, tuple(e for e in folds.gate.examples if answered(e.query))),
    )
    return smaller, Pool(task, tuple(counted), tuple(lessons), len(near))


def _some(examples: list[Example], most: int) -> list[Example]:
    """So many of them, by a hash of their texts."""
    return sorted(examples, key=row_hash)[:most]


def _fresh(examples: list[Example], seen: set[str]) -> list[Example]:
    """Each text once, and none of `seen`."""
    known = set(seen)
    out = []
    for example in examples:
        if (key := row_hash(example)) not in known:
            known.add(key)
            out.append(example)
    return out
