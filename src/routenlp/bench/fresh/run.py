"""The bench of a fresh domain: every legal task, arm and seed, from the first request to the last."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp import wiring
from routenlp.bench.fresh.arrivals import arrivals
from routenlp.bench.fresh.course import ARMS, Course
from routenlp.bench.fresh.figures import Ran, Standing, of_task, together
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.loop.system import Desk
from routenlp.bench.loop.world import (
    Ledger,
    Remembered,
    Screened,
    TaskWorld,
    held_out_rows,
    remember_words,
    screen,
)
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import FoldOverlap
from routenlp.settings import Settings

FRESH = ("legal_clause", "legal_risk")
SEEDS, QUICK_SEEDS = 3, 1


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that tables, checks and JSON are made of."""

    workload: Workload
    seeds: int
    standings: tuple[Standing, ...]
    """By arm: every task, then all of them."""
    runs: tuple[Ran, ...]
    seconds: float
    peak_rss_mb: float


def run(settings: Settings, workload: Workload, progress: Progress, *, seeds: int) -> Result:
    """Raises `FoldOverlap` should a fit receive a row that is held out."""
    began = time.perf_counter()
    with progress.stage("loading the encoder"):
        encoder = wiring.minilm(settings, lambda _: None)
    runs: list[Ran] = []
    for name in workload.folds:
        plain, rich = (wiring.cached(encoder.with_pooling(rich=r), settings) for r in (False, True))
        desk = Desk(wiring.portfolio(settings), remember_words(plain), Remembered(rich), HashedTexts(), Ledger(), 0)
        with progress.stage(f"{name}: comparing training rows with held-out rows"):
            screened = screen(workload.folds[name], desk.rich)
        runs += _of_task(settings, name, screened, desk, progress, seeds)
    return Result(
        workload,
        seeds,
        tuple(standings(runs, seed=settings.seed)),
        tuple(runs),
        time.perf_counter() - began,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    )


def standings(runs: Sequence[Ran], *, seed: int) -> list[Standing]:
    """By arm."""
    out = []
    for arm in dict.fromkeys(run.arm for run in runs):
        of_arm = [run for run in runs if run.arm == arm]
        tasks = [of_task([r for r in of_arm if r.task == t], seed=seed) for t in dict.fromkeys(r.task for r in of_arm)]
        out += [drawn.standing for drawn in tasks]
        if len(tasks) > 1:
            out.append(together(tasks, of_arm))
    return out


def _of_task(
    settings: Settings, name: str, screened: Screened, desk: Desk, progress: Progress, seeds: int
) -> list[Ran]:
    given, task = settings.tasks[name], wiring.tasks(settings)[name]
    assert given.student is not None, "the bench's settings name a student for every task"
    world = TaskWorld(task, given.student, screened.folds, (), (), np.zeros(0, dtype=np.bool_), screened.held_out)
    found = []
    for seed in range(seeds):
        for arm, rule in ARMS.items():
            with progress.stage(f"{name}, seed {seed}, {arm}"):
                course = Course(world, desk.with_seed(seed), 1.0 - given.eps, rule)
                course.run(arrivals(screened, seed=seed))
            found.append(Ran(name, arm, seed, tuple(course.served), tuple(course.turns), task.handled_at))
    if seen := desk.ledger.seen_of(held_out_rows(screened.folds)):
        raise FoldOverlap(f"task {name!r}", f"training received {seen} held-out rows", "Report this as a fault.")
    return found
