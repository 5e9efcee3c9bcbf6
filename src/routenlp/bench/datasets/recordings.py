"""The recordings of language models that `routenlp bench record` wrote: where they lie, and what they hold.

recordings/manifest.json                what was recorded, of which weights and prompts, and every file's SHA-256
recordings/<task>/<tier>.jsonl.gz       what the tier wrote, by query id
recordings/<task>/taught.json           ids of the rows that the tuned model, or what picks its answers, learned from
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenlp.backends.generations import Generation, read_generations
from routenlp.backends.recorded_generations import Speed
from routenlp.backends.weights import file_sha256
from routenlp.errors import CorruptData, MissingData

FOLDER, MANIFEST, TAUGHT = "recordings", "manifest.json", "taught.json"
LEARNERS = ("generator", "reranker")
"""In `taught.json`: what learned from a row, so that the top tier's answer to it is no answer to a new query."""
_REMEDY = "Take the folder as it was committed, or record again: routenlp bench record."


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Answers of every tier to rows that none of them learned from."""

    folder: Path
    generations: Mapping[str, Mapping[str, Mapping[str, Generation]]]
    """By tier, task and query id."""
    speed: Speed
    """Of the model that is asked as it is, on the machine that was timed."""
    manifest: Mapping[str, Any]

    @property
    def tasks(self) -> tuple[str, ...]:
        """That were recorded."""
        return tuple(next(iter(self.generations.values())))


def locate(given: Path | None, beside: Sequence[Path]) -> Path | None:
    """The folder asked for, else `recordings` in the first of `beside` that has one; None: there are none.

    Raises `MissingData` where the folder asked for holds none.
    """
    if given is not None:
        if not (given / MANIFEST).is_file():
            raise MissingData(str(given), f"holds no {MANIFEST}", "Name a folder that `routenlp bench record` wrote.")
        return given
    return next((folder / FOLDER for folder in beside if (folder / FOLDER / MANIFEST).is_file()), None)


def load(folder: Path, tiers: Sequence[str], tasks: Sequence[str]) -> Recordings:
    """What all of `tiers` said of those of `tasks` that were recorded.

    Raises `CorruptData` for a file that is not the one recorded, `MissingData` for one that is not there.
    """
    manifest, path = _manifest(folder / MANIFEST), str(folder / MANIFEST)
    found: dict[str, dict[str, dict[str, Generation]]] = {tier: {} for tier in tiers}
    try:
        for task in (task for task in tasks if task in manifest["tasks"]):
            taught = _taught(folder / task / TAUGHT)
            for tier in tiers:
                name = f"{tier}.jsonl.gz"
                whole = _read(folder / task / name, manifest["tasks"][task]["sha256"][name])
                found[tier][task] = {row.id: row for row in whole if row.id not in taught}
        speed = Speed(**{name: float(manifest["latency"][name]) for name in Speed.__dataclass_fields__})
    except (KeyError, TypeError, ValueError) as exc:
        raise CorruptData(path, f"is no manifest of these tiers ({exc!r})", _REMEDY) from exc
    return Recordings(folder, found, speed, manifest)


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise CorruptData(str(path), f"is no manifest of recordings ({exc})", _REMEDY) from exc
    return dict(read)


def _taught(path: Path) -> set[str]:
    try:
        read = json.loads(path.read_text("utf-8"))
        return {row for learner in LEARNERS for row in read[learner]}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CorruptData(str(path), f"does not say which rows were learned from ({exc!r})", _REMEDY) from exc


def _read(path: Path, expected: str) -> list[Generation]:
    if not path.is_file():
        raise MissingData(str(path), "is in the manifest and not there", _REMEDY)
    if (sha256 := file_sha256(path)) != expected:
        raise CorruptData(str(path), f"SHA-256 is {sha256}, should be {expected}", _REMEDY)
    return list(read_generations(path))
