"""Base, random and targeted lessons at equal number, several seeds, paired; seeds run side by side where asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from routenlp.bench.progress import progress_on
from routenlp.bench.record.asked import Asked
from routenlp.bench.seqkd.lessons import Ground, Positions, Scene, pick_random, pick_targeted, survey
from routenlp.bench.seqkd.scene import read_scene
from routenlp.bench.seqkd.size import Size
from routenlp.bench.seqkd.trial import Trial, run_trial
from routenlp.draws import draw
from routenlp.errors import TrainingError

BASE, RANDOM, TARGETED = "base", "random", "targeted"
ARMS = (RANDOM, TARGETED)


@dataclass(frozen=True, slots=True)
class Job:
    """One seed of one task, for a process of its own."""

    work: Path
    """Where `bench record` keeps rows, vectors and the base model; arms are kept there too."""
    recordings: Path
    task: str
    handled_at: float
    seed: int
    size: Size
    name: str
    """Of the size: arms of another are not taken for its own."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """One task: where lessons came from, and what each arm scored by query id, seed by seed."""

    scene: Scene
    ground: Ground
    asked: Sequence[Asked]
    base: Mapping[str, float]
    arms: Mapping[int, Mapping[str, Mapping[str, float]]]
    """By seed and arm."""


def run_job(job: Job) -> TaskResult:
    """The base once, and both arms of one seed. Raises `TrainingError` where no cluster is worth a lesson."""
    scene, taught = read_scene(job.work, job.recordings, job.task, job.handled_at)
    budget = job.size.lessons[job.task]
    ground = survey(scene, budget)
    if not ground.quotas:
        raise TrainingError(job.task, "has no cluster that the teacher is better at", "Choose a better teacher.")
    rng = np.random.default_rng([job.seed, 1])
    picks = {RANDOM: pick_random(ground, budget, rng), TARGETED: pick_targeted(scene, ground, rng)}
    asked = asked_of(scene, ground, job.size)
    folder, progress = job.work / job.task / f"seqkd-{job.name}", progress_on(sys.stderr)

    def scores(arm: str, seed: int, lessons: Positions) -> Mapping[str, float]:
        known = [(scene.rows[i], taught[scene.rows[i].id]) for i in lessons.tolist()]
        return run_trial(Trial(job.task, arm, seed, known, asked, job.size), job.work / "base", folder, progress)

    arms = {arm: scores(arm, job.seed, picked) for arm, picked in picks.items()}
    return TaskResult(scene, ground, asked, scores(BASE, 0, np.zeros(0, dtype=np.int64)), {job.seed: arms})


def asked_of(scene: Scene, ground: Ground, size: Size) -> list[Asked]:
    """Held-out rows that every arm is asked: failures in the clusters, then others there, then others."""

    def some(positions: Positions, most: int) -> list[Asked]:
        rows = [scene.rows[i] for i in positions.tolist()]
        return sorted(rows, key=lambda row: draw("seqkd", scene.task, row.id))[:most]

    others = np.setdiff1d(ground.near, ground.judged)
    return [*some(ground.judged, size.judged), *some(others, size.rest), *some(ground.rest, size.rest)]


def run(jobs: Sequence[Job], *, at_once: int) -> dict[str, TaskResult]:
    """Every job, `at_once` processes at a time, results joined by task."""
    if at_once == 1:
        found = [run_job(job) for job in jobs]
    else:
        with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(run_job, jobs))
    joined: dict[str, TaskResult] = {}
    for job, result in zip(jobs, found, strict=True):
        first = joined.setdefault(job.task, result)
        arms = {**first.arms, **result.arms}
        joined[job.task] = TaskResult(first.scene, first.ground, first.asked, first.base, arms)
    return joined
