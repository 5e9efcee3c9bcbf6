"""One task and seed at a time: every arm, from the folder of what was measured before or anew."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from routenlp import __version__, wiring
from routenlp.bench.loop import kept
from routenlp.bench.loop.arms import ARMS, NONE
from routenlp.bench.loop.course import ALL_ROWS, Course, Plan, Point
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.loop.kept import Measured
from routenlp.bench.loop.system import Desk
from routenlp.bench.loop.world import Ledger, Remembered, begin, held_out_rows, remember_words, screen
from routenlp.bench.progress import Progress
from routenlp.errors import FoldOverlap
from routenlp.replay.folds import Folds, row_hash
from routenlp.settings import Settings


@dataclass(frozen=True, slots=True)
class Ground:
    """What every task and seed is measured on, in whatever process."""

    settings: Settings
    folds: Mapping[str, Folds]
    plan: Plan
    keep: Path | None
    at_once: int
    """Processes that measure side by side: each has this part of the run's time."""


@dataclass(frozen=True, slots=True)
class Order:
    """One task and seed to be measured."""

    task: str
    seed: int
    yardstick: bool
    """Also learn from all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What an order came to."""

    points: list[Point]
    """Empty where it was too late to begin, and not everything is kept."""
    barred: float | None
    """Share of the task's training rows that resemble held-out rows; None where nothing was begun."""
    held_out_seen: int
    """Calibration, gate and test rows that a training call received, by hash."""
    before_s: float
    """What measuring took in other runs, whose points are used again."""
    peak_rss_mb: float
    """Of this process up to now, or of an earlier one that measured some of the points."""


class Measuring:
    """Encoders and hashed texts that all seeds of a task share; a task's are dropped when the next begins."""

    def __init__(self, ground: Ground, progress: Progress) -> None:
        self._ground, self._progress = ground, progress
        self._ledger = Ledger()
        self._held_out_seen = 0
        self._before_s, self._before_mb = 0.0, 0.0  # of what other runs measured
        with progress.stage("loading the encoder"):
            self._encoder = wiring.minilm(ground.settings, lambda _: None)
        self._task: str | None = None
        self._courses: dict[int, Course] = {}

    def seed(self, order: Order, *, late: bool) -> Found:
        """Every arm of one task and seed. When it is `late`, only what is kept: none, where an arm is missing."""
        name, arms = order.task, (NONE, *ARMS)
        if late and not self.has(name, order.seed, arms):
            return Found([], None, 0, 0.0, peak_rss_mb())
        if order.yardstick and (not late or self.has(name, order.seed, (ALL_ROWS,))):
            arms = (*arms, ALL_ROWS)
        self._held_out_seen, self._before_s = 0, 0.0
        points: list[Point] = []
        with self._progress.stage(f"{name}, seed {order.seed}") as advance:
            for done, arm in enumerate(arms, 1):
                points += self.measure(name, order.seed, arm)
                advance(done, len(arms))
        barred = float(self._screened.overlaps.mean())
        return Found(points, barred, self._held_out_seen, self._before_s, max(peak_rss_mb(), self._before_mb))

    def measure(self, name: str, seed: int, arm: str) -> list[Point]:
        """Points of one arm of one task and seed, from the folder where it has them."""
        self._begin(name)
        found = self._load(name, seed, arm)
        if found is not None:
            self._before_s += found.seconds
            self._before_mb = max(self._before_mb, found.peak_rss_mb)
            return found.points
        began = time.perf_counter()
        points = self._course(name, seed).run(arm)
        self._require_unseen(name)
        if self._ground.keep is not None:
            share_s = (time.perf_counter() - began) / self._ground.at_once
            kept.save(Measured(points, share_s, peak_rss_mb()), self._path(name, seed, arm), self._key(name))
        return points

    def has(self, name: str, seed: int, arms: Sequence[str]) -> bool:
        """Whether the folder has all these arms."""
        return all(self._load(name, seed, arm) is not None for arm in arms)

    def _load(self, name: str, seed: int, arm: str) -> Measured | None:
        return None if self._ground.keep is None else kept.load(self._path(name, seed, arm), self._key(name))

    def _path(self, name: str, seed: int, arm: str) -> Path:
        assert self._ground.keep is not None, "asked for only where points are kept"
        return self._ground.keep / f"{name}-{seed}-{arm.replace(' ', '-')}.npz"

    def _key(self, name: str) -> str:
        return _key(self._ground.plan, self._ground.folds[name])

    def _begin(self, name: str) -> None:
        if self._task == name:
            return
        self._task, self._courses = name, {}
        settings = self._ground.settings
        plain, rich = (wiring.cached(self._encoder.with_pooling(rich=r), settings) for r in (False, True))
        self._plain, self._rich, self._texts = remember_words(plain), Remembered(rich), HashedTexts()
        with self._progress.stage(f"{name}: comparing training rows with held-out rows"):
            self._screened = screen(self._ground.folds[name], self._rich)

    def _course(self, name: str, seed: int) -> Course:
        if seed not in self._courses:
            settings = self._ground.settings
            task, student = wiring.tasks(settings)[name], settings.tasks[name].student
            assert student is not None, "the bench's settings name a student for every task"
            world = begin(self._screened, task, student, seed=seed)
            desk = Desk(wiring.portfolio(settings), self._plain, self._rich, self._texts, self._ledger, seed)
            self._courses = {seed: Course(world, desk, self._ground.plan)}
        return self._courses[seed]

    def _require_unseen(self, name: str) -> None:
        """Raises `FoldOverlap`: with a held-out row among what was learned from, the figures would be worth nothing."""
        seen = self._ledger.seen_of(held_out_rows(self._ground.folds[name]))
        self._held_out_seen += seen
        if seen:
            raise FoldOverlap(f"task {name!r}", f"training received {seen} held-out rows", "Report this as a fault.")


def peak_rss_mb() -> float:
    """Of this process up to now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _key(plan: Plan, folds: Folds) -> str:
    """Changes with the plan, the rows of any fold, and the version."""
    digest = hashlib.sha256(json.dumps([__version__, asdict(plan)]).encode())
    for part in (folds.train, folds.calibrate, folds.gate, folds.test):
        digest.update(b"|")
        for example in part.examples:
            digest.update(row_hash(example).encode())
    return digest.hexdigest()
