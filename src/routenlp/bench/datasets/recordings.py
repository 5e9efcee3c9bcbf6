"""The recordings of language models that `routenlp bench record` wrote: where they lie, and what they hold.

recordings/manifest.json                what was recorded, of which weights and prompts, and every file's SHA-256
recordings/<task>/<tier>.jsonl.gz       what the tier wrote, by query id
recordings/<task>/taught.json           ids of the rows that the tuned model, or what picks its answers, learned from,
                                        of lessons, and of the start, which alone is shown as examples
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenlp.backends.generations import Generation, read_generations
from routenlp.backends.recorded_generations import Speed
from routenlp.bench.record.manifest import MANIFEST, check_recordings
from routenlp.errors import CorruptData, MissingData

FOLDER, TAUGHT = "recordings", "taught.json"
LEARNERS = ("generator", "reranker")
"""In `taught.json`: what learned from a row, so that the top tier's answer to it is no answer to a new query."""
EXAMPLES = "examples"
ENDPOINT = Speed(0.05, 1 / 8_000, 1 / 50)
"""Assumed, of a model of some billions of parameters on a card: there reading a token takes a hundredth of writing one,
where on processor cores it takes a tenth, and a long prompt all of the time to the first token."""
_REMEDY = "Take the folder as it was committed, or record again: routenlp bench record."


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Answers of every tier to rows that none of them learned from."""

    folder: Path
    generations: Mapping[str, Mapping[str, Mapping[str, Generation]]]
    """By tier, task and query id."""
    speed: Speed | None
    """Of the model that is asked as it is; None where it was not timed."""
    manifest: Mapping[str, Any]
    start: Mapping[str, frozenset[str]]
    """By task, ids of the training rows that no lesson came from: each tier's own model answered them. The other
    training rows were answered by models of half of the lessons in the distilled one's place.
    """

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
    manifest = check_recordings(folder)
    found: dict[str, dict[str, dict[str, Generation]]] = {tier: {} for tier in tiers}
    start: dict[str, frozenset[str]] = {}
    for task in (task for task in tasks if task in manifest["tasks"]):
        by_learner = _taught(folder / task / TAUGHT)
        taught = {row for learner in LEARNERS for row in by_learner[learner]}
        start[task] = frozenset(by_learner[EXAMPLES])
        for tier in tiers:
            whole = read_generations(folder / task / f"{tier}.jsonl.gz")
            found[tier][task] = {row.id: row for row in whole if row.id not in taught}
    return Recordings(folder, found, _speed(manifest, folder / MANIFEST), manifest, start)


def _taught(path: Path) -> dict[str, list[str]]:
    try:
        read = json.loads(path.read_text("utf-8"))
        return {kind: [str(row) for row in read[kind]] for kind in (*LEARNERS, EXAMPLES)}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CorruptData(str(path), f"does not say which rows were learned from ({exc!r})", _REMEDY) from exc


def _speed(manifest: Mapping[str, Any], path: Path) -> Speed | None:
    if (given := manifest.get("latency")) is None:
        return None
    try:
        return Speed(*(float(given[name]) for name in ("fixed_s", "read_s", "written_s")))
    except (KeyError, TypeError, ValueError) as exc:
        raise CorruptData(str(path), f"lacks a latency ({exc!r})", _REMEDY) from exc
