"""What a turn has done so far: a folder with one file a stage, so that a turn that was killed goes on where it was.

    STORE-turns/0003/plan.json      what each stage decided on, and decided
    STORE-turns/0003/tiers/...      what it made
    STORE-turns/0003/end.json       how it ended; a folder without this file is a turn that can go on

A stage's file appears whole, after all that the stage made. So a stage either has happened or is done again, to the
same result; nothing that serves is touched before the last of them, which moves one row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from routenlp.errors import ArtefactError


class Stage(StrEnum):
    """In order."""

    PLAN = "plan"
    """Failures, clusters and which of them become lessons."""
    TEACH = "teach"
    """The teacher's answers; none resembles a held-out row."""
    DISTIL = "distil"
    """New tiers."""
    CALIBRATE = "calibrate"
    """Router, rule and certificates of the new tiers."""
    STORE = "store"
    """The candidate is a version of the store's."""
    GATE = "gate"
    """It is rejected, or goes into the shadow."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Journal:
    """One turn's folder."""

    folder: Path

    @property
    def number(self) -> int:
        """Of the turn."""
        return int(self.folder.name)

    def has(self, stage: Stage) -> bool:
        """Whether the stage was finished."""
        return self._path(stage).is_file()

    def read(self, stage: Stage) -> dict[str, Any]:
        """What it decided. Raises `ArtefactError` where it was not finished, or its file is no JSON."""
        try:
            found = json.loads(self._path(stage).read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ArtefactError(
                str(self._path(stage)), "cannot be read", "Remove the turn's folder, and turn again."
            ) from exc
        if not isinstance(found, dict):
            raise ArtefactError(str(self._path(stage)), "is no mapping", "Remove the turn's folder, and turn again.")
        return found

    def write(self, stage: Stage, found: Mapping[str, Any]) -> None:
        """The stage is finished."""
        partial = self._path(stage).with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(found, file, sort_keys=True, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path(stage))

    def _path(self, stage: Stage) -> Path:
        return self.folder / f"{stage}.json"


def turns_root(store: Path) -> Path:
    """Where the turns of a store lie."""
    return Path(f"{store}-turns")


def journals(store: Path) -> list[Journal]:
    """The oldest first."""
    root = turns_root(store)
    found = sorted(path for path in root.iterdir() if path.name.isdigit()) if root.is_dir() else []
    return [Journal(path) for path in found]


def open_journal(store: Path) -> Journal:
    """The last turn where it has not ended, else a new one."""
    before = journals(store)
    if before and not before[-1].has(Stage.END):
        return before[-1]
    number = before[-1].number + 1 if before else 1
    folder = turns_root(store) / f"{number:04d}"
    folder.mkdir(parents=True)
    return Journal(folder)
