"""A new task's traffic from its first request on: the top tier alone, turns as lessons double, then cheap tiers.

    top tier ─▶ 100 of its answers, 100 audits ─▶ turn: distil, calibrate ─▶ may it serve? ─▶ cheap tiers
                        ▲                                                        │ no
                        └──────────────── until lessons have doubled ◀───────────┘

A turn learns from what the top tier was paid for anyway. What lets its policy serve is the arm's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.recorded import RecordedBackend
from routenlp.bench.fresh.arrivals import Arrival, Use
from routenlp.bench.loop.system import Desk, Seen, System, retrain, see
from routenlp.bench.loop.world import TaskWorld
from routenlp.conformal.groups import rows_to_take
from routenlp.grading.metrics import metric
from routenlp.loop.compared import NO_SEGMENT, Compared
from routenlp.loop.delta import Spent, next_level, row_keys
from routenlp.loop.gate import Bar, judge
from routenlp.replay.recorded import Recorded, record
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import CalibrationFold, Example, FloatArray

FIRST_LESSONS = 100
FIRST_AUDITS = 100
FEWEST_GROUPS = 5
"""Documents among the calibration rows of a first turn."""
GROWTH = 2.0
"""Lessons of a turn over those of the one before."""
EVERY = 50
"""Requests between two looks at whether a turn is due."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Requests as they were answered; arrays of shape (n,)."""

    arrivals: tuple[Arrival, ...]
    cost_usd: FloatArray
    quality: FloatArray
    top_usd: FloatArray
    rest_usd: FloatArray
    """Of the tiers that were not called: what an audit pays beside."""
    by_top: NDArray[np.bool_]
    promoted: bool
    """Whether cheap tiers might serve by then."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One."""

    at: int
    """After so many requests."""
    lessons: int
    calibration_rows: int
    calibration_groups: int
    cost_ratio: float
    """On the calibration rows, like the next."""
    quality_ratio: float
    serves: bool
    why: str


@dataclass(slots=True)
class Course:
    """One task, seed and arm."""

    world: TaskWorld
    desk: Desk
    target: float
    may_serve: MayServe
    served: list[Served] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    _system: System | None = None
    spent: list[Spent] = field(default_factory=list)

    def run(self, arrived: Sequence[Arrival]) -> None:
        """Every request, in order, with the turns between."""
        at = 0
        while at < len(arrived):
            end = min(at + EVERY, len(arrived))
            self.served.append(self._serve(arrived[at:end]))
            at = end
            if at < len(arrived):
                self._turn(at)

    def _turn(self, at: int) -> None:
        lessons, audits = self._lessons(), self._rows(Use.CALIBRATE)
        groups = len({e.group for e in audits})
        wanted = self.turns[-1].lessons * GROWTH if self.turns else FIRST_LESSONS
        if len(lessons) < wanted or len(audits) < FIRST_AUDITS or groups < FEWEST_GROUPS:
            return
        fold = CalibrationFold(self.world.task.name, tuple(audits))
        world = replace(self.world, folds=replace(self.world.folds, calibrate=fold))
        system = retrain(world, lessons, self.desk, target=self.target)
        serves, why = self.may_serve(self, system, lessons)
        if serves:
            self._system = system
        setting = system.setting
        counts = (at, len(lessons), len(audits), groups)
        self.turns.append(Turn(*counts, setting.cost_ratio, setting.quality_ratio, serves, why))

    def compared(self, candidate: System) -> Compared | None:
        """The candidate beside what serves, on the gate rows that came; None without any."""
        rows = self._rows(Use.GATE)
        if not rows:
            return None
        new = see(self.world, candidate, rows, self.desk)
        done = new.run(candidate.setting)
        top = new.recorded
        before = (top.quality[:, -1], top.cost_usd[:, -1])
        if self._system is not None:
            ran = see(self.world, self._system, rows, self.desk).run(self._system.setting)
            before = (ran.quality, ran.cost_usd)
        return Compared(
            self.world.task.name,
            top.ids,
            top.groups,
            before[0],
            done.quality,
            top.quality[:, -1],
            before[1],
            done.cost_usd,
            top.cost_usd[:, -1],
            done.final < len(top.tiers) - 1,
            np.full(top.n, NO_SEGMENT, dtype=np.int64),
        )

    def level(self, compared: Compared) -> float:
        """What a gate may spend on these rows, which counts as a look."""
        rows = row_keys(compared.ids)
        level = next_level(self.spent, rows)
        self.spent.append(Spent(f"turn {len(self.turns) + 1}", level, rows))
        return level

    def _serve(self, arrived: Sequence[Arrival]) -> Served:
        examples = [one.example for one in arrived]
        if self._system is None:
            return _by_top(arrived, _top_alone(self.world, examples, self.desk))
        return _routed(arrived, see(self.world, self._system, examples, self.desk), self._system)

    def _lessons(self) -> list[Example]:
        """What the top tier answered, and nothing that is held out resembles."""
        return [
            one.example
            for part in self.served
            for one, top in zip(part.arrivals, part.by_top, strict=True)
            if top and one.use is Use.LEARN and not one.barred
        ]

    def _rows(self, use: Use) -> list[Example]:
        return [one.example for part in self.served for one in part.arrivals if one.use is use]


MayServe = Callable[[Course, System, Sequence[Example]], tuple[bool, str]]
"""Whether a turn's policy serves from now on, and why."""


def empirical(_course: Course, system: System, _lessons: Sequence[Example]) -> tuple[bool, str]:
    """As `serve_when: empirical` says: the point that keeps the target on the calibration rows; nothing is proved."""
    setting = system.setting
    return setting.cost_ratio < 1.0, f"keeps {setting.quality_ratio:.3f} on the calibration rows"


def gated(course: Course, system: System, lessons: Sequence[Example]) -> tuple[bool, str]:
    """As the loop's gate says, on the gate rows that have come."""
    compared = course.compared(system)
    if compared is None:
        return False, "no gate row has come"
    bar = Bar(rows_a_group=rows_to_take([e.group for e in lessons]))
    verdict = judge([compared], bar, level=course.level(compared), seed=course.desk.seed)
    return verdict.passed, " ".join(verdict.reasons)


ARMS: dict[str, MayServe] = {"serve_when: empirical": empirical, "the loop's gate": gated}


def _top_alone(world: TaskWorld, examples: Sequence[Example], desk: Desk) -> Recorded:
    """The top tier's answers, while there is no student."""
    human = RecordedBackend(desk.portfolio.tiers[-1], {e.query.id: e.reference for e in examples})
    rows = [(human.answer(e.query),) for e in examples]
    grade = metric(world.task.metric).quality
    return record(world.task.name, world.task.handled_at, examples, rows, grade, TokenUncertainty())


def _by_top(arrived: Sequence[Arrival], top: Recorded) -> Served:
    cost, quality = top.cost_usd[:, -1], top.quality[:, -1]
    n = len(arrived)
    return Served(tuple(arrived), cost, quality, cost, np.zeros(n), np.ones(n, dtype=np.bool_), promoted=False)


def _routed(arrived: Sequence[Arrival], seen: Seen, system: System) -> Served:
    done, recorded = seen.run(system.setting), seen.recorded
    rest = recorded.cost_usd.sum(axis=1) - done.cost_usd
    by_top = done.final == len(recorded.tiers) - 1
    top = recorded.cost_usd[:, -1]
    return Served(tuple(arrived), done.cost_usd, done.quality, top, rest, by_top, promoted=True)
