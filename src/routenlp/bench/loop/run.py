"""One run of the loop's bench: tasks times seeds, each with every arm, and the figures over all of them."""

from __future__ import annotations

import hashlib
import json
import math
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from routenlp import __version__, wiring
from routenlp.bench.loop import kept
from routenlp.bench.loop.arms import ARMS, NONE
from routenlp.bench.loop.bulk import HashedTexts
from routenlp.bench.loop.course import ALL_ROWS, Course, Plan, Point
from routenlp.bench.loop.figures import Figures, figures
from routenlp.bench.loop.kept import Measured
from routenlp.bench.loop.system import Desk
from routenlp.bench.loop.world import Ledger, Remembered, begin, held_out_rows, remember_words, screen
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import FoldOverlap, MissingData
from routenlp.replay.folds import Folds, row_hash
from routenlp.settings import Settings

STRUCTURED = ("cs_intent", "legal_clause", "legal_risk", "fin_ner")
"""Tasks whose answers are labels or entities: what the promises of the bench are about."""
LESSONS = (150, 300, 450)
"""Teacher answers a task in each round: half of all stand after the second, so that half is measured, not guessed."""
SEEDS, QUICK_SEEDS = 5, 1
QUICK_TASKS = ("cs_intent", "legal_risk")


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that tables, plot, checks and JSON are made of."""

    workload: Workload
    plan: Plan
    seeds: Mapping[str, int]
    """By task that was measured."""
    figures: Figures
    structured: Figures | None
    """Over the structured tasks alone, where there are others too; else None."""
    barred: Mapping[str, float]
    """By task, the share of training rows that resemble held-out rows and so were no lessons of any arm."""
    held_out_seen: int
    """Calibration, gate and test rows that any training call received, by hash."""
    slowest_turn_s: float
    """Processor seconds of one round of one arm: the longest over arms and seeds, summed over tasks."""
    seconds: float
    """In all, what was measured before and kept included."""
    peak_rss_mb: float


def plan_of(settings: Settings, workload: Workload) -> Plan:
    """The target is the strictest that the settings give one of the tasks; in the built-in ones it is 0.97 for all."""
    return Plan(LESSONS, 1.0 - min(settings.tasks[name].eps for name in workload.folds))


def run(
    settings: Settings,
    workload: Workload,
    progress: Progress,
    *,
    seeds: int,
    yardstick: bool,
    keep: Path | None,
    limit_s: float = math.inf,
) -> Result:
    """`yardstick`: also learn from all rows, once a task.

    `keep`: a folder of points measured before, which are used again, and to which new ones are added. `limit_s`: after
    it no other seed is begun, but those that are kept are used; a task without any is left out.
    """
    began = time.perf_counter()
    plan = plan_of(settings, workload)
    bench = _Bench(settings, workload, plan, progress, keep)
    points: list[Point] = []
    counts: dict[str, int] = {}
    for name in workload.folds:
        for seed in range(seeds):
            measured = bench.seed(name, seed, yardstick=yardstick and seed == 0, late=_late(began, limit_s))
            counts[name] = counts.get(name, 0) + bool(measured)
            points += measured
    points = _with_yardstick_everywhere(points)
    if not points:
        raise MissingData("bench loop", f"nothing was measured within {limit_s:g} s", "Give it more time, or a folder.")
    groups = {name: [e.group for e in workload.folds[name].test.examples] for name in counts}
    with progress.stage("measuring, with draws of seeds and groups"):
        found = figures(points, groups, seed=settings.seed)
        few = [p for p in points if p.task in STRUCTURED]
        mixed = 0 < len({p.task for p in few}) < len({p.task for p in points})
        structured = figures(few, groups, seed=settings.seed) if mixed else None
    return Result(
        workload,
        plan,
        {name: n for name, n in counts.items() if n},
        found,
        structured,
        bench.barred,
        bench.held_out_seen,
        _slowest_turn(points),
        time.perf_counter() - began + bench.before_s,
        max(_peak_rss_mb(), bench.before_mb),
    )


class _Bench:
    """Encoders and hashed texts that all seeds of a task share; a task's are dropped when the next begins."""

    def __init__(
        self, settings: Settings, workload: Workload, plan: Plan, progress: Progress, keep: Path | None
    ) -> None:
        self._settings, self._workload, self._plan = settings, workload, plan
        self._progress, self._keep = progress, keep
        self._ledger = Ledger()
        self.held_out_seen = 0
        self.before_s, self.before_mb = 0.0, 0.0  # of what other runs measured
        self.barred: dict[str, float] = {}
        with progress.stage("loading the encoder"):
            self._encoder = wiring.minilm(settings, lambda _: None)
        self._task: str | None = None
        self._courses: dict[int, Course] = {}

    def seed(self, name: str, seed: int, *, yardstick: bool, late: bool) -> list[Point]:
        """Every arm of one task and seed. When it is `late`, only what is kept: none, where an arm is missing."""
        arms = (NONE, *ARMS)
        if late and not self.has(name, seed, arms):
            return []
        if yardstick and (not late or self.has(name, seed, (ALL_ROWS,))):
            arms = (*arms, ALL_ROWS)
        points: list[Point] = []
        with self._progress.stage(f"{name}, seed {seed}") as advance:
            for done, arm in enumerate(arms, 1):
                points += self.measure(name, seed, arm)
                advance(done, len(arms))
        return points

    def measure(self, name: str, seed: int, arm: str) -> list[Point]:
        """Points of one arm of one task and seed, from the folder where it has them."""
        self._begin(name)
        found = self._load(name, seed, arm)
        if found is not None:
            self.before_s += found.seconds
            self.before_mb = max(self.before_mb, found.peak_rss_mb)
            return found.points
        began = time.perf_counter()
        points = self._course(name, seed).run(arm)
        self._require_unseen(name)
        if self._keep is not None:
            measured = Measured(points, time.perf_counter() - began, _peak_rss_mb())
            kept.save(measured, self._path(self._keep, name, seed, arm), self._key(name))
        return points

    def has(self, name: str, seed: int, arms: Sequence[str]) -> bool:
        """Whether the folder has all these arms."""
        return all(self._load(name, seed, arm) is not None for arm in arms)

    def _load(self, name: str, seed: int, arm: str) -> Measured | None:
        return None if self._keep is None else kept.load(self._path(self._keep, name, seed, arm), self._key(name))

    def _path(self, keep: Path, name: str, seed: int, arm: str) -> Path:
        return keep / f"{name}-{seed}-{arm.replace(' ', '-')}.npz"

    def _key(self, name: str) -> str:
        return _key(self._plan, self._workload.folds[name])

    def _begin(self, name: str) -> None:
        if self._task == name:
            return
        self._task, self._courses = name, {}
        plain, rich = (wiring.cached(self._encoder.with_pooling(rich=r), self._settings) for r in (False, True))
        self._plain, self._rich, self._texts = remember_words(plain), Remembered(rich), HashedTexts()
        with self._progress.stage(f"{name}: comparing training rows with held-out rows"):
            self._screened = screen(self._workload.folds[name], self._rich)
        self.barred[name] = float(self._screened.overlaps.mean())

    def _course(self, name: str, seed: int) -> Course:
        if seed not in self._courses:
            task, student = wiring.tasks(self._settings)[name], self._settings.tasks[name].student
            assert student is not None, "the bench's settings name a student for every task"
            world = begin(self._screened, task, student, seed=seed)
            portfolio = wiring.portfolio(self._settings)
            desk = Desk(portfolio, self._plain, self._rich, self._texts, self._ledger, seed)
            self._courses = {seed: Course(world, desk, self._plan)}
        return self._courses[seed]

    def _require_unseen(self, name: str) -> None:
        """Raises `FoldOverlap`: with a held-out row among what was learned from, the figures would be worth nothing."""
        seen = self._ledger.seen_of(held_out_rows(self._workload.folds[name]))
        self.held_out_seen += seen
        if seen:
            raise FoldOverlap(f"task {name!r}", f"training received {seen} held-out rows", "Report this as a fault.")


def _key(plan: Plan, folds: Folds) -> str:
    """Changes with the plan, the rows of any fold, and the version."""
    digest = hashlib.sha256(json.dumps([__version__, asdict(plan)]).encode())
    for part in (folds.train, folds.calibrate, folds.gate, folds.test):
        digest.update(b"|")
        for example in part.examples:
            digest.update(row_hash(example).encode())
    return digest.hexdigest()


def _late(began: float, limit_s: float) -> bool:
    return time.perf_counter() - began >= limit_s


def _with_yardstick_everywhere(points: Sequence[Point]) -> list[Point]:
    """Without the yardstick where a task lacks it: means are over the same tasks for all."""
    having = {p.task for p in points if p.arm == ALL_ROWS}
    return [p for p in points if p.arm != ALL_ROWS or having == {q.task for q in points}]


def _peak_rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _slowest_turn(points: Sequence[Point]) -> float:
    longest: dict[str, float] = {}
    for point in points:
        if point.round > 0 and point.arm in ARMS:
            longest[point.task] = max(longest.get(point.task, 0.0), point.seconds)
    return sum(longest.values())
