"""One bench, two portfolios: tasks whose top tier is the human label, and tasks that language models were recorded on.

Where there are recordings, the generation tasks run on students, SmolLM2 and the tuned SmolLM2, and the human reference
is the yardstick of quality alone: once with SmolLM2 as a turn of the loop has taught it, and once as it was before.
Without recordings, and with settings of one's own, all tasks share one portfolio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from routenlp import wiring
from routenlp.backends.recorded import modelled_latency_s
from routenlp.backends.recorded_generations import GenerationsBackend
from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.record.asked import DISTILLED, SMOLLM2
from routenlp.bench.six_tasks.replayed import Replayed, labels_on_top, only_replayed
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import MissingData
from routenlp.replay.folds import Folds
from routenlp.settings import Settings
from routenlp.types import CalibrationFold, GateFold, TestFold

EVERY, STRUCTURED, GENERATION = "all tasks", "structured tasks", "generation tasks"
BEFORE = "generation tasks, before the turn"
"""The same tasks without what the loop made of the model: for comparison, in no mean over all tasks."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Tasks that share a portfolio."""

    name: str
    settings: Settings
    workload: Workload
    replayed: Mapping[str, Replayed]
    left_out: Mapping[str, int]
    """By task, rows outside training that not every tier was recorded on."""


def whole(settings: Settings, workload: Workload) -> Part:
    """All tasks under the human labels."""
    return Part(EVERY, settings, workload, labels_on_top(settings, workload), {})


def divide(
    settings: Settings, generation: Settings, workload: Workload, recordings: Recordings | None
) -> tuple[Part, ...]:
    """The parts, structured first, then generation before the turn and after it.

    `generation`: settings of the portfolio that was recorded, and of its tasks.
    """
    written = [] if recordings is None else [t for t in workload.folds if t in recordings.tasks]
    if recordings is None or not written:
        return (whole(settings, workload),)
    labelled = {task: folds for task, folds in workload.folds.items() if task not in written}
    whole_part = replace(workload, folds={task: workload.folds[task] for task in written})
    shared = _like(settings, generation)
    parts = [_written(BEFORE, before_the_turn(shared), whole_part, recordings)]
    parts.append(_written(GENERATION, shared, whole_part, recordings))
    if not labelled:
        return tuple(parts)
    rest = replace(workload, folds=labelled)
    return (Part(STRUCTURED, settings, rest, labels_on_top(settings, rest), {}), *parts)


def before_the_turn(generation: Settings) -> Settings:
    """The prompted model in the place of what a turn of the loop made of it."""
    tiers = (
        msgspec.structs.replace(tier, name=SMOLLM2) if tier.name == DISTILLED else tier for tier in generation.portfolio
    )
    return msgspec.structs.replace(generation, portfolio=tuple(tiers))


def _written(name: str, settings: Settings, workload: Workload, recordings: Recordings) -> Part:
    replayed = replayed_by(settings, recordings)
    folds = {task: _recorded(its, replayed) for task, its in workload.folds.items()}
    left_out = {task: _rows(its) - _rows(folds[task]) for task, its in workload.folds.items()}
    return Part(
        name, settings, replace(workload, folds=folds), replayed, {task: n for task, n in left_out.items() if n}
    )


def replayed_by(settings: Settings, recordings: Recordings) -> dict[str, Replayed]:
    """The recorded tiers. One takes what its tokens take; the top tier takes what the model of its latency says."""
    *cheap, top = wiring.portfolio(settings).tiers
    by_name, speed = recordings.generations, recordings.speed
    if speed is None:
        raise MissingData(str(recordings.folder), "says no speed", "Time the model: routenlp bench record.")
    replayed: dict[str, Replayed] = {
        tier.name: GenerationsBackend(tier, by_name[tier.name], lambda _, generation: speed.latency_s(generation))
        for tier in cheap
        if tier.backend == "recorded"
    }
    return replayed | {
        top.name: GenerationsBackend(top, by_name[top.name], lambda query, _: modelled_latency_s(query.id))
    }


def _like(settings: Settings, generation: Settings) -> Settings:
    """Seed, folders and encoder of `settings`."""
    return msgspec.structs.replace(
        generation,
        seed=settings.seed,
        cache_dir=settings.cache_dir,
        data_dir=settings.data_dir,
        encoder=settings.encoder,
    )


def _recorded(folds: Folds, replayed: Mapping[str, Replayed]) -> Folds:
    """Students may learn from every training row; what is proved or tested was recorded."""
    task = folds.train.task
    return replace(
        folds,
        calibrate=CalibrationFold(task, only_replayed(replayed, folds.calibrate.examples)),
        gate=GateFold(task, only_replayed(replayed, folds.gate.examples)),
        test=TestFold(task, only_replayed(replayed, folds.test.examples)),
    )


def _rows(folds: Folds) -> int:
    return sum(len(fold.examples) for fold in (folds.calibrate, folds.gate, folds.test))
