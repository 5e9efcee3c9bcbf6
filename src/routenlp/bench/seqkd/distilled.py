"""The tier that a turn of the loop makes of the prompted model: it learns what the tuned one answered, and is recorded.

Lessons are the prompted model's failures outside the start of the training fold, in every cluster that the teacher is
better at; a row that resembles one that calibrates, gates or tests is none. The model that has learned them all
answers what it might be asked. Rows that lessons came from are answered by a model of the other half of the lessons,
by group, so that what trains a router was no lesson either.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from routenlp.backends.generations import write_generations
from routenlp.bench.progress import progress_on
from routenlp.bench.record.asked import DISTILLED, SMOLLM2, SYSTEM, TUNED, Asked
from routenlp.bench.record.generator import load_generator
from routenlp.bench.record.plan import TaskPlan
from routenlp.bench.record.roles import Role
from routenlp.bench.record.run import machine
from routenlp.bench.record.shards import Candidates
from routenlp.bench.record.steps import PROMPTED_SHARE, TAUGHT, generation
from routenlp.bench.seqkd.lessons import Scene, in_pool, survey
from routenlp.draws import draw
from routenlp.grading.rouge import rouge_l
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import check, sha256_of
from routenlp.training.distil.language_model import LanguageModelDistiller

UNSEEN = ("calibrate", "gate", "test")
LEARNED = "lessons"
"""In `taught.json`: ids of the rows that the distilled model learned from."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the three models: what it learns, and what it is asked. For a process of its own."""

    name: str
    plan: TaskPlan
    lessons: Sequence[tuple[Asked, str]]
    """Rows with the teacher's answers."""
    asked: Sequence[Asked]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a part."""

    candidates: Sequence[Candidates]
    about: Mapping[str, object]


def parts(scene: Scene, taught: Mapping[str, str], plan: TaskPlan) -> tuple[Part, Part, Part]:
    """All lessons, then the halves; every row of the scene is asked of one of the models that have not learned it."""
    ground = survey(scene, len(scene.rows), UNSEEN)
    chosen = ground.failures[np.isin(ground.cluster, list(ground.quotas))]
    lessons = [(scene.rows[i], taught[scene.rows[i].id]) for i in sorted(chosen.tolist())]
    pool = [row for row in scene.rows if in_pool(row)]
    return (
        Part("whole", plan, lessons, [row for row in scene.rows if not in_pool(row)]),
        Part("first", plan, [p for p in lessons if not _half(plan, p[0])], [row for row in pool if _half(plan, row)]),
        Part("second", plan, [p for p in lessons if _half(plan, p[0])], [row for row in pool if not _half(plan, row)]),
    )


def _half(plan: TaskPlan, row: Asked) -> bool:
    return draw("distilled", plan.task, row.group) < 0.5


def answer_all(of_task: Sequence[Part], base: Path, folder: Path, *, at_once: int) -> list[Answered]:
    """Every part of a task, so many processes at a time."""
    if at_once == 1:
        return [_answer((part, base, folder)) for part in of_task]
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_answer, [(part, base, folder) for part in of_task]))


def _answer(job: tuple[Part, Path, Path]) -> Answered:
    """Learn, then write; what lies in the folder is not made again."""
    part, base, folder = job
    task, progress = part.plan.task, progress_on(sys.stderr)
    lessons = [Lesson(row.query(task, DISTILLED), said, TUNED, row.group) for row, said in part.lessons]
    distiller = LanguageModelDistiller(SMOLLM2, base, part.plan.distilling, {task: SYSTEM[task]})
    with progress.stage(f"{len(lessons)} lessons of {task}, {part.name}"):
        (made,) = distiller.distil(lessons, folder / "models")
    key = sha256_of(base / "model.safetensors") + made.folder.name
    generator = load_generator(base, made.folder, key, SYSTEM[task], PROMPTED_SHARE)
    with progress.stage(f"{DISTILLED} answers {task}, {part.name}") as advance:
        queries = [row.query(task, DISTILLED) for row in part.asked]
        said = list(generator.answer(queries, part.plan.likeliest, folder / DISTILLED / part.name, advance))
    sealed = check(made.folder)
    about = {
        "adapter": made.folder.name,
        "adapter_sha256": sha256_of(made.folder / "adapter_model.safetensors"),
        "lessons": sealed["lessons"],
        "lessons_sha256": sealed["lessons_sha256"],
        "loss": sealed["loss"],
        "machine": machine(),
    }
    return Answered(said, about)


def record(into: Path, scene: Scene, of_task: Sequence[Part], answered: Sequence[Answered]) -> Mapping[str, object]:
    """The recording, in the order of the scene's rows, and the lessons' ids; what the manifest says of the task then.

    `into`: the task's folder, which must hold what is known of the other tiers.
    """
    said = {c.id: c for part in answered for c in part.candidates}
    path, taught = into / f"{DISTILLED}.jsonl.gz", into / TAUGHT
    write_generations(path, [generation(said[row.id], 0) for row in scene.rows])
    learned = json.loads(taught.read_text(encoding="utf-8"))
    learned[LEARNED] = sorted(row.id for row, _ in of_task[0].lessons)
    temporary = taught.with_name(f".{TAUGHT}.part")
    temporary.write_text(json.dumps(learned, indent=0) + "\n", encoding="utf-8")
    temporary.replace(taught)
    return {
        DISTILLED: {
            "tuning": asdict(of_task[0].plan.distilling),
            **{part.name: its.about for part, its in zip(of_task, answered, strict=True)},
        },
        "sha256": {file.name: sha256_of(file) for file in (path, taught)},
        "rouge_l": {fold: {DISTILLED: value} for fold, value in _qualities(scene, said).items()},
    }


def _qualities(scene: Scene, said: Mapping[str, Candidates]) -> dict[str, float]:
    """Mean ROUGE-L by fold; the reranker's rows are a fold of their own, as in the other tiers' figures."""
    found: dict[str, list[float]] = {}
    for row in scene.rows:
        fold = str(row.role) if row.role is Role.RERANKER else row.fold
        found.setdefault(fold, []).append(rouge_l(said[row.id].answers[0].text, row.reference))
    return {fold: round(float(np.mean(values)), 4) for fold, values in found.items()}
