"""One task from its rows to two recordings, step by step; what a step has made lies in the work folder and is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from routenlp.backends.generations import Generation, write_generations
from routenlp.backends.student.reranker import Reranker
from routenlp.bench.progress import Progress
from routenlp.bench.record.asked import ROWS, SMOLLM2, SYSTEM, TUNED, Asked, Tier, read_asked, write_asked
from routenlp.bench.record.choosing import choose, describe, fit_choice, qualities
from routenlp.bench.record.generator import Way, load_generator
from routenlp.bench.record.plan import TaskPlan
from routenlp.bench.record.prompts import Advance, ask_replies, ask_summaries
from routenlp.bench.record.roles import Role
from routenlp.bench.record.shards import Candidate, Candidates
from routenlp.errors import MissingData
from routenlp.loop.lessons import Lesson
from routenlp.replay.folds import Folds
from routenlp.store.sealed import check, sha256_of
from routenlp.training.distil.language_model import LanguageModelDistiller

TAUGHT = "taught.json"
PROMPTED_SHARE, TUNED_SHARE = 0.35, 0.8
"""Of a card's memory: so that it may answer while the other model is tuned."""
PEOPLE = "people"
"""The teacher of the tuned model: it learns references."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tuned model's candidates to one query, and which is given."""

    candidates: Candidates
    at: int


@dataclass(frozen=True, slots=True)
class Desk:
    """`work`: the folder of what is kept. `base`: the model's folder, sealed."""

    work: Path
    base: Path
    progress: Progress

    def rows(self, plan: TaskPlan, folds: Callable[[], Folds], *, seed: int) -> list[Asked]:
        """With their prompts, from the work folder; made of `folds` where none lie there."""
        path = self.work / plan.task / ROWS
        if not path.is_file():
            with self.progress.stage(f"prompts of {plan.task}") as advance:
                write_asked(path, _ask(folds(), advance, seed=seed))
        return read_asked(path)

    def tune(self, plan: TaskPlan, rows: Sequence[Asked]) -> Path:
        """The adapter's folder."""
        lessons = [
            Lesson(row.query(plan.task, TUNED), row.reference, PEOPLE, row.group)
            for row in rows
            if row.role is Role.GENERATOR
        ]
        distiller = LanguageModelDistiller(TUNED, self.base, plan.tuning, {plan.task: SYSTEM[plan.task]})
        with self.progress.stage(f"tuning on {len(lessons)} rows of {plan.task}"):
            (made,) = distiller.distil(lessons, self.work / plan.task / "models")
        return made.folder

    def write(self, plan: TaskPlan, rows: Sequence[Asked], tier: Tier, adapter: Path | None) -> list[Candidates]:
        """What a tier writes to every row that may be recorded, in the rows' order."""
        wanted = [row for row in rows if row.role is not Role.GENERATOR]
        way: Way = plan.likeliest if tier == SMOLLM2 else plan.sampled
        key = sha256_of(self.base / "model.safetensors") + ("" if adapter is None else adapter.name)
        share = PROMPTED_SHARE if tier == SMOLLM2 else TUNED_SHARE
        generator = load_generator(self.base, adapter, key, SYSTEM[plan.task], share)
        with self.progress.stage(f"{tier} answers {plan.task}") as advance:
            queries = [row.query(plan.task, tier) for row in wanted]
            said = {c.id: c for c in generator.answer(queries, way, self.work / plan.task / tier, advance)}
        return [said[row.id] for row in wanted]


def _ask(folds: Folds, advance: Advance, *, seed: int) -> Iterator[Asked]:
    if folds.train.task == "cs_response":
        return ask_replies(folds, advance)
    return ask_summaries(folds, advance, seed=seed)


def choose_best(
    rows: Sequence[Asked], sampled: Sequence[Candidates], handled_at: float
) -> tuple[Reranker, list[Chosen]]:
    """The reranker learns from its rows alone, and chooses for all. Raises `MissingData` where it has none."""
    of = {row.id: row for row in rows}
    pairs = [(of[candidates.id], candidates) for candidates in sampled]
    learned = [pair for pair in pairs if pair[0].role is Role.RERANKER]
    if not learned:
        raise MissingData("reranker", "has no rows to learn from", "Record more rows.")
    reranker = fit_choice(learned, handled_at)
    return reranker, [Chosen(candidates, choose(reranker, row, candidates)) for row, candidates in pairs]


def generation(candidates: Candidates, at: int) -> Generation:
    """One of the candidates as it is recorded."""
    said: Candidate = candidates.answers[at]
    ended = int(said.ended == "stop")
    return Generation(
        candidates.id, said.text, said.probs, said.sizes, candidates.input_tokens, len(said.probs) + ended, said.ended
    )


def record(
    into: Path, rows: Sequence[Asked], prompted: Sequence[Candidates], chosen: Sequence[Chosen]
) -> dict[str, Path]:
    """Both tiers' recordings and the ids that were learned from; the files by name."""
    files: dict[str, Path] = {tier: into / f"{tier}.jsonl.gz" for tier in (SMOLLM2, TUNED)}
    write_generations(files[SMOLLM2], [generation(candidates, 0) for candidates in prompted])
    write_generations(files[TUNED], [generation(one.candidates, one.at) for one in chosen])
    files[TAUGHT] = into / TAUGHT
    learned: dict[str, list[str]] = {
        role: sorted(row.id for row in rows if row.role is role) for role in (Role.GENERATOR, Role.RERANKER)
    }
    learned["examples"] = sorted(row.id for row in rows if row.start)
    files[TAUGHT].write_text(json.dumps(learned, indent=0) + "\n", encoding="utf-8")
    return files


def qualities_by_fold(
    rows: Sequence[Asked], prompted: Sequence[Candidates], chosen: Sequence[Chosen]
) -> dict[str, dict[str, float]]:
    """Mean ROUGE-L by fold and by what would be given; rows that the reranker learned from are a fold of their own."""
    of = {row.id: row for row in rows}
    found: dict[str, dict[str, list[float]]] = {}
    for base, best in zip(prompted, chosen, strict=True):
        row, graded = of[base.id], qualities(of[base.id], best.candidates)
        fold = str(row.role) if row.role is Role.RERANKER else row.fold
        agreed = int(np.argmax(_agreement(row, best)))
        said = {
            SMOLLM2: qualities(row, base)[0],
            "likeliest": graded[0],
            "agreed": graded[agreed],
            TUNED: graded[best.at],
            "best there was": graded.max(),
        }
        for name, value in said.items():
            found.setdefault(fold, {}).setdefault(name, []).append(float(value))
    return {
        fold: {
            "rows": len(values[TUNED]),
            **{name: round(float(np.mean(of_name)), 4) for name, of_name in values.items()},
        }
        for fold, values in found.items()
    }


def _agreement(row: Asked, one: Chosen) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return describe(row, one.candidates.answers)[:, 0]


def tuned_with(plan: TaskPlan, adapter: Path) -> Mapping[str, object]:
    """What the manifest says of the tuning."""
    about = check(adapter)
    return {
        "adapter": adapter.name,
        "adapter_sha256": sha256_of(adapter / "adapter_model.safetensors"),
        "tuning": asdict(plan.tuning),
        "rows": about["lessons"],
        "rows_sha256": about["lessons_sha256"],
        "loss": about["loss"],
    }
