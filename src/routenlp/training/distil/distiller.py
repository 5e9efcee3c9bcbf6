"""What every distiller promises, and how new tiers are named.

A new tier never takes an old one's place: its name ends in a hash of all that made it (base, lessons, settings, seed),
so the same turn, repeated after a kill, finds or makes the same tier, and another one never has its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from routenlp.errors import TrainingError
from routenlp.loop.lessons import Lesson
from routenlp.types import Prediction

_HEX = 12


@dataclass(frozen=True, slots=True)
class Distilled:
    """A new version of one tier."""

    tier: str
    """The tier whose version this is."""
    name: str
    """Immutable: never another version's, never used again."""
    folder: Path
    """Where it lies, sealed or as an artefact."""
    lessons: int
    """That it learned from."""
    lessons_sha256: str
    """`lessons_hash` of them."""
    held_out: Mapping[str, Mapping[str, Prediction]] = field(default_factory=dict)
    """By task and query id: what models that had not seen a row said of it, for the router to learn from. Empty where
    the distiller has none; the router then learns from answers given after the fact."""


class Distiller(Protocol):
    """Makes new tiers of lessons."""

    def distil(self, lessons: Sequence[Lesson], into: Path) -> tuple[Distilled, ...]:
        """New versions under the folder `into`, one for each tier that this distiller trains.

        The same lessons give the same names, and a version that lies there already whole is handed out as it is.
        Raises `TrainingError` where the lessons cannot be learned from, and leaves nothing half-made behind.
        """


def lessons_hash(lessons: Sequence[Lesson]) -> str:
    """SHA-256 over what is learned, in any order: task, text, metadata, turns and answer of each lesson."""
    rows = sorted(
        json.dumps(
            [
                lesson.query.task,
                lesson.query.text,
                dict(lesson.query.metadata),
                [(t.role, t.text) for t in lesson.query.turns],
                lesson.answer,
            ],
            sort_keys=True,
        )
        for lesson in lessons
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def version_name(tier: str, *made_of: object) -> str:
    """`tier` and a hash of everything that the version is made of, as JSON values."""
    key = json.dumps(made_of, sort_keys=True, allow_nan=False)
    return f"{tier}-{hashlib.sha256(key.encode()).hexdigest()[:_HEX]}"


def some(lessons: Sequence[Lesson]) -> Sequence[Lesson]:
    """`lessons`; raises `TrainingError` where there are none."""
    if not lessons:
        raise TrainingError("lessons", "are none", "Lower the quota's bar, or wait until there are more failures")
    return lessons
