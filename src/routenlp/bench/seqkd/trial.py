"""One seed of one arm: the loop's distiller learns from the lessons, and the new model answers what judges it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.progress import Progress
from routenlp.bench.record.asked import SMOLLM2, SYSTEM, Asked
from routenlp.bench.record.generator import Way, load_generator
from routenlp.grading.rouge import rouge_l
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import sha256_of
from routenlp.training.distil.language_model import LanguageModelDistiller, Tuning


SHARE = 0.25
"""Of a card's memory for keys and values: seeds run side by side."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is learned, and which rows are asked afterwards."""

    task: str
    arm: str
    seed: int
    lessons: Sequence[tuple[Asked, str]]
    """Rows with the teacher's answers."""
    asked: Sequence[Asked]
    tuning: Tuning
    way: Way
    teacher: str


def run_trial(trial: Trial, base: Path, folder: Path, progress: Progress) -> Mapping[str, float]:
    """ROUGE-L by query id; from `folder` where it was measured before."""
    path = folder / f"{trial.arm}-{trial.seed}.json"
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return found
    system = SYSTEM[trial.task]
    lessons = [Lesson(row.query(trial.task, SMOLLM2), said, trial.teacher, row.group) for row, said in trial.lessons]
    with progress.stage(f"{trial.task}, seed {trial.seed}: {trial.arm} lessons"):
        distiller = LanguageModelDistiller(SMOLLM2, base, trial.tuning, {trial.task: system})
        (made,) = distiller.distil(lessons, folder / "models")
        generator = load_generator(base, made.folder, sha256_of(base / "model.safetensors") + made.name, system, SHARE)
        queries = [row.query(trial.task, SMOLLM2) for row in trial.asked]
        said = generator.answer(queries, trial.way, folder / "said" / made.name, lambda _done, _total: None)
        reference = {row.id: row.reference for row in trial.asked}
        scores = {c.id: round(rouge_l(c.answers[0].text, reference[c.id]), 5) for c in said}
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(scores), encoding="utf-8")
    temporary.replace(path)
    return scores
