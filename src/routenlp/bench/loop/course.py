"""One task and one seed: every arm from the same first tiers, round by round, each measured on the same test rows."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routenlp.bench.loop.arms import NONE, PICKS, RANDOM
from routenlp.bench.loop.scene import look
from routenlp.bench.loop.system import Desk, Seen, System, retrain, see
from routenlp.bench.loop.world import TaskWorld, sentence
from routenlp.loop.contamination import refuse_overlap, take_prints
from routenlp.loop.economics import Gain, gain_from_draws
from routenlp.replay.intervals import RowRatio, paired_bootstrap
from routenlp.types import FloatArray

ALL_ROWS = "all rows"
"""A yardstick, no arm: everything that may be learned from, at once."""
GAIN_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much each arm may buy, and what quality it must keep."""

    lessons: tuple[int, ...]
    """Of each round; at most a share of the traffic, the same for all arms."""
    target: float
    """Quality ratio on the calibration rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One arm after one round, on the test rows."""

    task: str
    seed: int
    arm: str
    round: int
    lessons: int
    """Teacher answers bought so far."""
    cost_usd: FloatArray
    """Of each test row, every tier called."""
    quality: FloatArray
    top_cost_usd: FloatArray
    tier_shares: tuple[float, ...]
    """By tier, the share of test rows that it finally answered."""
    escalated: float
    """Share of test rows that went on from their first tier."""
    route_only_cost: float
    """Cost ratio without a cascade: the router's first answer is final."""
    route_only_quality: float
    seconds: float
    """Of processor time, for the turn that led here: looking at the traffic, picking, refitting, recalibrating."""
    gain: Gain | None
    """In cost ratio over the round before, on the gate rows; None before the first."""


class Course:
    """One task and seed. The first tiers are common to all arms, and are trained when first asked for."""

    def __init__(self, world: TaskWorld, desk: Desk, plan: Plan) -> None:
        self._world, self._desk, self._plan = world, desk, plan
        self._first: _Judged | None = None

    def run(self, arm: str) -> list[Point]:
        """Every round of an arm, of `NONE` (the first tiers) or of `ALL_ROWS`.

        Raises `ContaminatedLessons` should an arm pick a query that resembles a held-out row.
        """
        if arm == NONE:
            return [_measure(self._world, self._begin(), self._desk, NONE, 0, [], None)]
        if arm == ALL_ROWS:
            every = np.flatnonzero(~self._world.barred).tolist()
            system = _learn(self._world, self._desk, self._plan, every)
            return [_measure(self._world, system, self._desk, ALL_ROWS, 1, every, None)]
        return _run_arm(self._world, self._desk, self._plan, arm, self._begin())

    def _begin(self) -> _Judged:
        if self._first is None:
            system = retrain(self._world, self._world.start, self._desk, target=self._plan.target)
            self._first = _judged(self._world, system, self._desk)
        return self._first


def budgets(world: TaskWorld, plan: Plan) -> tuple[int, ...]:
    """Lessons of each round: as planned, or the same shares of half of what may be learned from, if that is less."""
    most = int((~world.barred).sum()) // 2
    shrink = min(1.0, most / max(sum(plan.lessons), 1))
    return tuple(int(n * shrink) for n in plan.lessons)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A system, and the gate rows as it answers them."""

    system: System
    gate: Seen


def _judged(world: TaskWorld, system: System, desk: Desk) -> _Judged:
    return _Judged(system, see(world, system, world.folds.gate.examples, desk))


def _run_arm(world: TaskWorld, desk: Desk, plan: Plan, arm: str, first: _Judged) -> list[Point]:
    system, lessons, points = first, list[int](), list[Point]()
    for number, budget in enumerate(budgets(world, plan), 1):
        began = time.process_time()
        rng = np.random.default_rng([desk.seed, number, zlib.crc32(f"{world.task.name}/{arm}".encode())])
        lessons += _pick(world, system.system, desk, arm, lessons, budget, rng)
        before, system = system, _learn(world, desk, plan, lessons)
        took_s = time.process_time() - began
        points.append(replace(_measure(world, system, desk, arm, number, lessons, before), seconds=took_s))
    return points


def _pick(
    world: TaskWorld,
    system: System,
    desk: Desk,
    arm: str,
    lessons: Sequence[int],
    budget: int,
    rng: np.random.Generator,
) -> list[int]:
    """Positions in the traffic. Random picks look at no answer, so none is asked for."""
    if arm == RANDOM:
        left = np.setdiff1d(np.flatnonzero(~world.barred), np.array(lessons, dtype=np.int64))
        return [int(i) for i in rng.permutation(left)[:budget]]
    scene = look(world, system, desk, lessons)
    return [int(scene.at[i]) for i in PICKS[arm](scene, budget, rng)]


def _learn(world: TaskWorld, desk: Desk, plan: Plan, lessons: Sequence[int]) -> _Judged:
    """Buy the teacher's answers, look once more that none resembles a held-out row, and refit on all there are."""
    bought = [world.traffic[i] for i in lessons]
    vectors = sentence(desk.rich.encode([e.query.text for e in bought]))
    refuse_overlap(take_prints([e.query for e in bought], vectors), world.held_out, task=world.task.name)
    return _judged(world, retrain(world, [*world.start, *bought], desk, target=plan.target), desk)


def _measure(
    world: TaskWorld, judged: _Judged, desk: Desk, arm: str, number: int, lessons: Sequence[int], before: _Judged | None
) -> Point:
    system = judged.system
    seen = see(world, system, world.folds.test.examples, desk)
    done = seen.run(system.setting)
    alone = seen.run(system.route_only)
    top_cost, top_quality = seen.recorded.cost_usd[:, -1], seen.recorded.quality[:, -1]
    tiers = range(len(seen.recorded.tiers))
    return Point(
        world.task.name,
        desk.seed,
        arm,
        number,
        len(lessons),
        done.cost_usd,
        done.quality,
        top_cost,
        tuple(float((done.final == k).mean()) for k in tiers),
        float((done.final != done.first).mean()),
        float(alone.cost_usd.sum() / top_cost.sum()),
        float(alone.quality.sum() / top_quality.sum()),
        0.0,
        None if before is None else _gain(before, judged, seed=desk.seed),
    )


def _gain(before: _Judged, after: _Judged, *, seed: int) -> Gain:
    """On the gate rows, which neither trained nor calibrated anything; without any, nothing is sure."""
    if not before.gate.recorded.n:
        return gain_from_draws(0.0, np.empty(0))
    ratios = {name: _cost(side) for name, side in (("before", before), ("after", after))}
    drawn = paired_bootstrap(ratios, before.gate.recorded.groups, seed=seed, draws=GAIN_DRAWS)
    change = (drawn.estimates["before"] or 0.0) - (drawn.estimates["after"] or 0.0)
    return gain_from_draws(change, drawn.draws["before"] - drawn.draws["after"])


def _cost(judged: _Judged) -> RowRatio:
    done = judged.gate.run(judged.system.setting)
    return RowRatio(done.cost_usd, judged.gate.recorded.cost_usd[:, -1])
