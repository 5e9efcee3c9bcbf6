"""Base, random and targeted lessons at equal number, several seeds, paired; seeds run side by side where asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.record.asked import ROWS, TUNED, Asked, read_asked
from routenlp.bench.record.choosing import qualities
from routenlp.bench.record.plan import PLANS
from routenlp.bench.record.shards import Candidates
from routenlp.bench.record.vectors import read_vectors
from routenlp.bench.seqkd.lessons import Ground, Scene, pick_random, pick_targeted, survey
from routenlp.bench.seqkd.trial import Trial, run_trial
from routenlp.draws import draw
from routenlp.training.distil.language_model import Tuning

RANDOM, TARGETED = "random", "targeted"
BUDGETS = {"cs_response": 300, "fin_summarisation": 100}
"""Lessons."""
SEEDS = 5
MOST_JUDGED, MOST_REST = 300, 100
"""Held-out rows of the clusters, and others, that are asked; drawn by hash."""
TUNING = Tuning(rank=16, epochs=3.0, learning_rate=5e-4, batch=8, most_tokens=4_096)


@dataclass(frozen=True, slots=True)
class Arm:
    """What one seed of one arm scored, by query id."""

    seed: int
    name: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class TaskResult:
    """One task: where lessons came from, and what each arm scored."""

    scene: Scene
    ground: Ground
    budget: int
    arms: Sequence[Arm]


@dataclass(frozen=True, slots=True)
class Job:
    """One seed of one task, for a process of its own."""

    work: Path
    task: str
    prompted: Sequence[Candidates]
    taught: Mapping[str, str]
    """The teacher's answers by id."""
    handled_at: float
    seed: int
    budget: int
    tuning: Tuning


def scene_of(work: Path, task: str, handled_at: float, prompted: Sequence[Candidates], taught: Mapping[str, str]) -> Scene:
    """Rows that were recorded, graded."""
    from routenlp.grading.rouge import rouge_l

    said = {candidates.id: candidates for candidates in prompted}
    rows = [row for row in read_asked(work / task / ROWS) if row.id in said]
    return Scene(
        task,
        handled_at,
        rows,
        np.array([qualities(row, said[row.id])[0] for row in rows]),
        np.array([rouge_l(taught[row.id], row.reference) for row in rows]),
        read_vectors(work / task, [row.id for row in rows]),
    )


def run_job(job: Job) -> list[Arm]:
    """Both arms of one seed."""
    progress: Progress = progress_on(sys.stderr)
    scene = scene_of(job.work, job.task, job.handled_at, job.prompted, job.taught)
    ground = survey(scene, job.budget)
    rng = np.random.default_rng([job.seed, 1])
    picks = {RANDOM: pick_random(ground, job.budget, rng), TARGETED: pick_targeted(scene, ground, rng)}
    judged, way = asked_of(scene, ground), PLANS[job.task].likeliest
    arms = []
    for name, picked in picks.items():
        lessons = [(scene.rows[i], job.taught[scene.rows[i].id]) for i in picked.tolist()]
        tuning = replace(job.tuning, seed=job.seed)
        trial = Trial(job.task, name, job.seed, lessons, judged, tuning, way, TUNED)
        arms.append(Arm(job.seed, name, run_trial(trial, job.work / "base", job.work / job.task / "seqkd", progress)))
    return arms


def asked_of(scene: Scene, ground: Ground) -> list[Asked]:
    """Held-out rows that every arm is asked: failures in the clusters before others."""

    def some(positions: np.ndarray[tuple[int], np.dtype[np.int64]], most: int) -> list[Asked]:
        rows = [scene.rows[i] for i in positions.tolist()]
        return sorted(rows, key=lambda row: draw("seqkd", scene.task, row.id))[:most]

    others = np.setdiff1d(ground.near, ground.judged)
    return [*some(ground.judged, MOST_JUDGED), *some(others, MOST_REST), *some(ground.rest, MOST_REST)]


def run(jobs: Sequence[Job], *, at_once: int) -> list[list[Arm]]:
    """Every job, `at_once` processes at a time; one runs here."""
    if at_once == 1:
        return [run_job(job) for job in jobs]
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_job, jobs))


