"""One run of the loop's bench: tasks times seeds, each with every arm, and the figures over all of them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.loop.arms import ARMS
from routenlp.bench.loop.course import ALL_ROWS, Plan, Point
from routenlp.bench.loop.figures import Figures, figures
from routenlp.bench.loop.measuring import Found, Ground, Order, peak_rss_mb
from routenlp.bench.loop.processes import measure
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.workload import Workload
from routenlp.errors import MissingData
from routenlp.settings import Settings, TaskSettings

STRUCTURED = ("cs_intent", "legal_clause", "legal_risk", "fin_ner")
"""Tasks whose answers are labels or entities: what the promises of the bench are about."""
LESSONS = (150, 300, 450)
"""Teacher answers a task in each round: half of all stand after the second, so that half is measured, not guessed."""
SEEDS, QUICK_SEEDS = 5, 1
SEEDS_OF_GENERATION = 2
"""With five, the whole bench would not end in its time; the promises are about the structured tasks."""
WRITTEN = "rouge_l"
"""The metric of tasks whose answers are texts."""
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
    """Of the largest process."""
    at_once: int
    """Tasks and seeds that were measured side by side."""


def seeds_of(task: TaskSettings) -> int:
    """As many as the whole bench has time for."""
    return SEEDS_OF_GENERATION if task.metric == WRITTEN else SEEDS


def plan_of(settings: Settings, workload: Workload) -> Plan:
    """The target is the strictest that the settings give one of the tasks; in the built-in ones it is 0.97 for all."""
    return Plan(LESSONS, 1.0 - min(settings.tasks[name].eps for name in workload.folds))


def run(
    settings: Settings,
    workload: Workload,
    progress: Progress,
    *,
    seeds: int | None,
    yardstick: bool,
    keep: Path | None,
    limit_s: float = math.inf,
    jobs: int | None = None,
) -> Result:
    """`seeds`: of every task; None, those of `seeds_of`. `yardstick`: also learn from all rows, once a task.

    `jobs`: tasks and seeds at once, a process each; None, one a core.
    `keep`: a folder of points measured before, which are used again, and to which new ones are added. `limit_s`: after
    it no other seed is begun, but those that are kept are used; a task without any is left out.
    """
    began = time.perf_counter()
    plan = plan_of(settings, workload)
    orders = [
        Order(name, seed, yardstick and seed == 0)
        for name in workload.folds
        for seed in range(seeds or seeds_of(settings.tasks[name]))
    ]
    ground = Ground(settings, workload.folds, plan, keep, min(jobs or os.cpu_count() or 1, len(orders)))
    found = measure(orders, ground, progress, lambda: _late(began, limit_s))
    points = _with_yardstick_everywhere([point for of_order in found for point in of_order.points])
    if not points:
        raise MissingData("bench loop", f"nothing was measured within {limit_s:g} s", "Give it more time, or a folder.")
    groups = {name: [e.group for e in workload.folds[name].test.examples] for name in workload.folds}
    with progress.stage("measuring, with draws of seeds and groups"):
        over_all = figures(points, groups, seed=settings.seed)
        few = [p for p in points if p.task in STRUCTURED]
        mixed = 0 < len({p.task for p in few}) < len({p.task for p in points})
        structured = figures(few, groups, seed=settings.seed) if mixed else None
    return Result(
        workload,
        plan,
        _counts(orders, found),
        over_all,
        structured,
        {order.task: f.barred for order, f in zip(orders, found, strict=True) if f.barred is not None},
        sum(f.held_out_seen for f in found),
        _slowest_turn(points),
        time.perf_counter() - began + sum(f.before_s for f in found),
        max(peak_rss_mb(), *(f.peak_rss_mb for f in found)),
        ground.at_once,
    )


def _counts(orders: Sequence[Order], found: Sequence[Found]) -> dict[str, int]:
    """By task, how many were measured; a task with none is left out."""
    counts: dict[str, int] = {}
    for order, of_order in zip(orders, found, strict=True):
        if of_order.points:
            counts[order.task] = counts.get(order.task, 0) + 1
    return counts


def _late(began: float, limit_s: float) -> bool:
    return time.perf_counter() - began >= limit_s


def _with_yardstick_everywhere(points: Sequence[Point]) -> list[Point]:
    """Without the yardstick where a task lacks it: means are over the same tasks for all."""
    having = {p.task for p in points if p.arm == ALL_ROWS}
    return [p for p in points if p.arm != ALL_ROWS or having == {q.task for q in points}]


def _slowest_turn(points: Sequence[Point]) -> float:
    longest: dict[str, float] = {}
    for point in points:
        if point.round > 0 and point.arm in ARMS:
            longest[point.task] = max(longest.get(point.task, 0.0), point.seconds)
    return sum(longest.values())
