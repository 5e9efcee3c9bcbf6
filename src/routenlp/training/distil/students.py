"""Students learn by being fitted again, on the rows that they began with and on every lesson since: seconds each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from routenlp.cascade.policy import fingerprint
from routenlp.contracts import Encoder, TokenEncoder
from routenlp.loop.lessons import Lesson
from routenlp.store import artefacts
from routenlp.training import students
from routenlp.training.distil.distiller import Distilled, lessons_hash, some, version_name
from routenlp.types import Example, Parts, Prediction, TrainingFold

HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class StudentTask:
    """How one task's students are fitted."""

    kind: str
    """`classifier`, `tagger`, `picker` or `retriever`."""
    fold: TrainingFold
    """What they were fitted on before there was a lesson."""
    handled_at: float
    tiers: Collection[str] | None = None
    """That get a student of it; None: all. A student of it in another tier stays as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class StudentDistiller:
    """`Distiller` of all student tiers together, because a task's dearer student builds on its cheaper one.

    `distil` wants all lessons there ever were: a refit forgets what it is not given. A task without a lesson keeps the
    students that it has.
    """

    models: Mapping[str, str]
    """By tier, cheapest first: `ngram` or `minilm`."""
    current: Mapping[str, Path]
    """By tier, the artefact that serves now."""
    tasks: Mapping[str, StudentTask]
    encoder: TokenEncoder
    rich: Encoder
    """The same model's longer vectors."""
    seed: int

    def distil(self, lessons: Sequence[Lesson], into: Path) -> tuple[Distilled, ...]:
        """One version a tier, each an artefact with a part for every task that has a student there; see `Distiller`."""
        learned = lessons_hash(some(lessons))
        now = {tier: artefacts.read(folder) for tier, folder in self.current.items()}
        made_of = [learned, self.seed, {tier: _summary(parts) for tier, parts in now.items()}]
        names = {tier: version_name(tier, *made_of) for tier in self.models}
        if not all((into / name).is_dir() and (into / f"{name}.{HELD_OUT}").is_dir() for name in names.values()):
            self._make(lessons, into, names, now)
        return tuple(
            Distilled(tier, name, into / name, len(lessons), learned, read_held_out(into / f"{name}.{HELD_OUT}"))
            for tier, name in names.items()
        )

    def _make(
        self, lessons: Sequence[Lesson], into: Path, names: Mapping[str, str], now: Mapping[str, Mapping[str, Parts]]
    ) -> None:
        parts = {tier: dict(now[tier]) for tier in self.models}
        held_out: dict[str, dict[str, Mapping[str, Prediction]]] = {tier: {} for tier in self.models}
        for name in sorted({lesson.query.task for lesson in lessons}):
            task = self.tasks[name]
            models = {tier: m for tier, m in self.models.items() if task.tiers is None or tier in task.tiers}
            job = students.Job(self._with(name, lessons), self.encoder, self.rich, task.handled_at, self.seed)
            fits = students.fit(task.kind, list(models.values()), job)
            for tier, model in models.items():
                parts[tier][name] = fits[model].student.parts()
                held_out[tier][name] = fits[model].held_out
        for tier, name in names.items():
            # The larger part first: where the second is missing, both are made again, to the same bytes.
            if not (into / name).is_dir():
                artefacts.write(into / name, parts[tier])
            if not (into / f"{name}.{HELD_OUT}").is_dir():
                write_held_out(into / f"{name}.{HELD_OUT}", held_out[tier])

    def _with(self, task: str, lessons: Sequence[Lesson]) -> TrainingFold:
        begun = self.tasks[task].fold.examples
        known = {example.query.id for example in begun}
        new = [
            Example(lesson.query, lesson.answer, lesson.group)
            for lesson in lessons
            if lesson.query.task == task and lesson.query.id not in known
        ]
        return TrainingFold(task, (*begun, *new))


def _summary(parts: Mapping[str, Parts]) -> dict[str, str]:
    return {task: fingerprint(part) for task, part in parts.items()}


def write_held_out(folder: Path, held_out: Mapping[str, Mapping[str, Prediction]]) -> None:
    """What one tier's held-out models said, by task and query id; `folder` must not exist."""
    artefacts.write(
        folder,
        {
            task: Parts("held_out", {}, {"said": {id_: [p.text, p.token_probs] for id_, p in said.items()}})
            for task, said in held_out.items()
        },
    )


def read_held_out(folder: Path) -> dict[str, dict[str, Prediction]]:
    """The inverse. Raises `ArtefactError` for a folder that was altered."""
    return {
        task: {
            id_: Prediction(text, None if probs is None else tuple(probs))
            for id_, (text, probs) in cast("dict[str, Any]", part.meta["said"]).items()
        }
        for task, part in artefacts.read(folder).items()
    }
