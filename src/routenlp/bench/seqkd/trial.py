"""One seed of one arm: the loop's distiller learns from the lessons, and the new model answers what judges it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from routenlp.bench.progress import Progress
from routenlp.bench.record.asked import SMOLLM2, SYSTEM, TUNED, Asked
from routenlp.bench.record.generator import Way, load_generator
from routenlp.bench.seqkd.size import Size
from routenlp.grading.rouge import rouge_l
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import sha256_of
from routenlp.training.distil.language_model import LanguageModelDistiller

SHARE = 0.35
"""Of a card's memory for keys and values: seeds run side by side."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is learned, and which rows are asked afterwards."""

    task: str
    arm: str
    seed: int
    lessons: Sequence[tuple[Asked, str]]
    """Rows with the teacher's answers; none: the base answers as it is."""
    asked: Sequence[Asked]
    size: Size


def run_trial(trial: Trial, base: Path, folder: Path, progress: Progress) -> Mapping[str, float]:
    """ROUGE-L by query id; from `folder` where it was measured before."""
    path = folder / f"{trial.arm}-{trial.seed}.json"
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return found
    with progress.stage(f"{trial.task}, seed {trial.seed}: {trial.arm}") as advance:
        adapter = _learn(trial, base, folder) if trial.lessons else None
        key = sha256_of(base / "model.safetensors") + (adapter.name if adapter is not None else "")
        generator = load_generator(base, adapter, key, SYSTEM[trial.task], SHARE)
        queries = [trial.size.query(row, trial.task) for row in trial.asked]
        way, kept = Way((0.0,), trial.size.most_tokens[trial.task]), folder / "said" / f"{trial.arm}-{trial.seed}"
        reference = {row.id: row.reference for row in trial.asked}
        said = generator.answer(queries, way, kept, advance)
        scores = {c.id: round(rouge_l(c.answers[0].text, reference[c.id]), 5) for c in said}
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(scores), encoding="utf-8")
    temporary.replace(path)
    return scores


def _learn(trial: Trial, base: Path, folder: Path) -> Path:
    """The adapter's folder."""
    queries = [(trial.size.query(row, trial.task), said, row.group) for row, said in trial.lessons]
    lessons = [Lesson(query, said, TUNED, group) for query, said, group in queries]
    tuning = replace(trial.size.tuning, seed=trial.seed)
    distiller = LanguageModelDistiller(SMOLLM2, base, tuning, {trial.task: SYSTEM[trial.task]})
    (made,) = distiller.distil(lessons, folder / "models")
    return made.folder
