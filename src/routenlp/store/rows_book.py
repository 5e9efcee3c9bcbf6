"""The rows that a system was fitted, proved and gated on, kept beside it: a turn adds lessons, and proves itself again.

A part for each task of the artefact; each row has its text, so the book is as private as the rows are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from routenlp.errors import ArtefactError, FoldOverlap
from routenlp.store import artefacts
from routenlp.types import CalibrationFold, Example, GateFold, Parts, Query, TrainingFold, Turn

KIND = "rows"


@dataclass(frozen=True, slots=True)
class TaskRows:
    """One task's rows, each in one fold."""

    train: TrainingFold
    calibrate: CalibrationFold
    gate: GateFold

    def __post_init__(self) -> None:
        """Raises `FoldOverlap` where a group lies in two folds."""
        groups = {name: {e.group for e in fold.examples} for name, fold in self._named()}
        for first, second in (("train", "calibrate"), ("train", "gate"), ("calibrate", "gate")):
            if both := groups[first] & groups[second]:
                raise FoldOverlap(
                    f"task {self.train.task!r}", f"group {min(both)!r} is in {first} and in {second}", "Split again."
                )

    @property
    def held_out(self) -> tuple[Example, ...]:
        """What no lesson may resemble."""
        return (*self.calibrate.examples, *self.gate.examples)

    def taught(self, lessons: Iterable[Example]) -> TaskRows:
        """With more rows to train on; one whose id is there already is left out."""
        known = {example.query.id for example in self.train.examples}
        new = tuple(example for example in lessons if example.query.id not in known)
        return TaskRows(TrainingFold(self.train.task, (*self.train.examples, *new)), self.calibrate, self.gate)

    def _named(self) -> tuple[tuple[str, TrainingFold | CalibrationFold | GateFold], ...]:
        return ("train", self.train), ("calibrate", self.calibrate), ("gate", self.gate)


def write(folder: Path, rows: Mapping[str, TaskRows]) -> None:
    """`folder` must not exist."""
    artefacts.write(
        folder,
        {
            task: Parts(KIND, {}, {name: [_row(e) for e in fold.examples] for name, fold in its._named()})
            for task, its in rows.items()
        },
    )


def read(folder: Path) -> dict[str, TaskRows]:
    """By task. Raises `ArtefactError` for a folder that is no book, or was altered."""
    return {task: _task(folder, task, parts) for task, parts in artefacts.read(folder).items()}


def _task(folder: Path, task: str, parts: Parts) -> TaskRows:
    if parts.kind != KIND:
        raise ArtefactError(str(folder), f"has a part of kind {parts.kind!r}", "Name a book of rows.")
    folds = cast("Mapping[str, Sequence[Mapping[str, Any]]]", parts.meta)
    try:
        found = {name: tuple(_example(task, row) for row in folds[name]) for name in ("train", "calibrate", "gate")}
    except (KeyError, TypeError) as exc:
        raise ArtefactError(str(folder), f"lacks {exc} in task {task!r}", "Make it anew, or restore it.") from exc
    return TaskRows(
        TrainingFold(task, found["train"]), CalibrationFold(task, found["calibrate"]), GateFold(task, found["gate"])
    )


def _row(example: Example) -> dict[str, Any]:
    query = example.query
    row: dict[str, Any] = {"id": query.id, "text": query.text, "reference": example.reference, "group": example.group}
    if query.metadata:
        row["metadata"] = dict(query.metadata)
    if query.turns:
        row["turns"] = [[turn.role, turn.text] for turn in query.turns]
    return row


def _example(task: str, row: Mapping[str, Any]) -> Example:
    turns = tuple(Turn(role, text) for role, text in row.get("turns", ()))
    query = Query(row["id"], task, row["text"], dict(row.get("metadata", {})), turns)
    return Example(query, row["reference"], row["group"])
