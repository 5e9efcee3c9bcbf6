"""`routenlp bench record`, step by step: prompts, two models' answers, the choice among them, the recordings."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from routenlp.bench.record.asked import DISTILLED, SMOLLM2, TUNED, Asked
from routenlp.bench.record.plan import TaskPlan
from routenlp.bench.record.shards import Candidates
from routenlp.bench.record.steps import Chosen, Desk, choose_best, qualities_by_fold, record, tuned_with
from routenlp.errors import SettingsError
from routenlp.replay.folds import Folds
from routenlp.store.sealed import sha256_of

RESULT = "result.json"


class Step(StrEnum):
    """What can be run alone, so that a card may be shared by several processes."""

    PROMPTS = "prompts"
    PROMPTED = SMOLLM2
    TUNED = TUNED
    DISTILLED = DISTILLED
    """Of what lies recorded: the prompted model learns from the tuned one's answers."""
    ALL = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One task, recorded."""

    rows: Sequence[Asked]
    prompted: Sequence[Candidates]
    chosen: Sequence[Chosen]
    about: Mapping[str, object]
    """For the manifest."""

    @property
    def answers(self) -> dict[str, str]:
        """The tuned model's, by id."""
        return {one.candidates.id: one.candidates.answers[one.at].text for one in self.chosen}


def record_task(
    desk: Desk,
    plan: TaskPlan,
    folds: Callable[[], Folds],
    handled_at: float,
    into: Path,
    *,
    seed: int,
    step: Step = Step.ALL,
    limit: int | None = None,
) -> Recorded | None:
    """All steps of one task, or one; None where that was not the last. `limit`: rows of each fold and role, at most."""
    rows = desk.rows(plan, folds, seed=seed)
    if limit is not None:
        rows = some_of_each(rows, limit)
    if step is Step.PROMPTS:
        return None
    if step is Step.PROMPTED:
        desk.write(plan, rows, SMOLLM2, None)
        return None
    adapter = desk.tune(plan, rows)
    sampled = desk.write(plan, rows, TUNED, adapter)
    if step is Step.TUNED:
        return None
    prompted = desk.write(plan, rows, SMOLLM2, None)
    with desk.progress.stage(f"choosing among the answers of {plan.task}"):
        reranker, chosen = choose_best(rows, sampled, handled_at)
    files = record(into / plan.task, rows, prompted, chosen)
    about = {
        "tuned": tuned_with(plan, adapter),
        "temperatures": list(plan.sampled.temperatures),
        "most_tokens": plan.most_tokens,
        "reranker_weights": [round(float(w), 5) for w in reranker.weights],
        "rows": {role: sum(row.role == role for row in rows) for role in ("generator", "reranker", "none")},
        "rouge_l": qualities_by_fold(rows, prompted, chosen),
        "sha256": {path.name: sha256_of(path) for path in files.values()},
        "machine": machine(),
    }
    (desk.work / plan.task / RESULT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    return Recorded(rows, prompted, chosen, about)


def machine() -> dict[str, str]:
    """What answers were computed on."""
    import torch
    import transformers

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"CPU, {platform.machine()}"
    return {"device": device, "torch": torch.__version__, "transformers": transformers.__version__}


def some_of_each(rows: Sequence[Asked], most: int) -> list[Asked]:
    """The first of each fold and role."""
    if most < 1:
        raise SettingsError("--limit", f"is {most}", "Give 1 or more.")
    taken: dict[tuple[str, str], int] = {}
    out = []
    for row in rows:
        key = (row.fold, row.role)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= most:
            out.append(row)
    return out
