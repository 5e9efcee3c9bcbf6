"""Which row serves which purpose: by a hash of its group, so that no group is ever cut and no seed is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from routenlp.draws import draw
from routenlp.errors import FoldOverlap
from routenlp.types import CalibrationFold, Example, GateFold, TestFold, TrainingFold

SALT = "routenlp/1"
TRAIN_UP_TO = 0.65
CALIBRATE_UP_TO = 0.87


@dataclass(frozen=True, slots=True)
class Folds:
    """One task's rows, each in exactly one fold."""

    train: TrainingFold
    calibrate: CalibrationFold
    gate: GateFold
    test: TestFold


def fraction(task: str, group: str, *, salt: str = SALT) -> float:
    """Where a group falls in [0, 1): SHA-256 of salt, task and group as a fraction of its range."""
    return draw(salt, task, group)


def row_hash(example: Example) -> str:
    """SHA-256 of a row's task, label set and text: the same for a row whatever its id says."""
    query = example.query
    key = "\0".join((query.task, query.metadata.get("schema", ""), query.text))
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def split(task: str, supplied_train: Iterable[Example], supplied_test: Iterable[Example]) -> Folds:
    """The supplied test split is the test fold; the rest goes 65% train, 22% calibrate, 13% gate, by group.

    Raises `FoldOverlap` when a group, or a query id, stands on both sides of the supplied split.
    """
    rest, test = tuple(supplied_train), tuple(supplied_test)
    for kind, left, right in (
        ("group", {e.group for e in rest}, {e.group for e in test}),
        ("query id", {e.query.id for e in rest}, {e.query.id for e in test}),
    ):
        both = left & right
        if both:
            raise FoldOverlap(
                f"task {task!r}", f"{kind} {min(both)!r} is in train and in test", "Put every group on one side."
            )
    at = [(fraction(task, example.group), example) for example in rest]
    return Folds(
        TrainingFold(task, tuple(e for f, e in at if f < TRAIN_UP_TO)),
        CalibrationFold(task, tuple(e for f, e in at if TRAIN_UP_TO <= f < CALIBRATE_UP_TO)),
        GateFold(task, tuple(e for f, e in at if f >= CALIBRATE_UP_TO)),
        TestFold(task, test),
    )
