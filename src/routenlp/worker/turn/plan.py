"""What a turn would do, before anything is spent: what failed, in which clusters, what to learn, whether it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from routenlp.grading.metrics import metric
from routenlp.loop.contamination import find_overlaps, take_prints
from routenlp.loop.delta import Spent
from routenlp.loop.economics import BreakEven, Gain, Outlay, break_even, expected_gain
from routenlp.loop.failures import Failure, find_failures
from routenlp.loop.gate import Bar
from routenlp.loop.provable import TooFew, too_few
from routenlp.loop.ranking import Horizon, Ranked
from routenlp.training.failure_clusters import KMeansClusterer
from routenlp.training.learnability import QuickProbe
from routenlp.training.lesson_choice import Choice, Failed, Known, choose_lessons
from routenlp.types import ClusterSpace, Vectors
from routenlp.worker.turn.system import TurnSystem, Unteachable
from routenlp.worker.turn.traffic import Came, LeftOut

DAY_S = 86_400.0
HORIZON_DAYS = 30.0
"""Over which a cluster's value is counted: about how long a policy serves until the next turn."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """One cluster, for people and for the record."""

    index: int
    label: str
    size: int
    gap: float
    """The teacher's quality minus the cheap tier's, shrunk to the task's mean."""
    learnable: float
    value_usd: float
    low_usd: float
    lessons: int
    exemplars: tuple[str, ...]
    dropped: str | None


@dataclass(frozen=True, slots=True, eq=False)
class TaskPlan:
    """One task."""

    task: str
    queries: int
    """That came since the last turn."""
    failures: int
    causes: Mapping[str, int]
    barred: int
    """Failures that resemble a held-out row: no lesson comes of them."""
    left_out: LeftOut
    clusters: tuple[ClusterPlan, ...]
    lessons: tuple[int, ...]
    """Positions in what came, the most telling first."""
    unpaid: int
    """Of them, those that the teacher must still be asked."""
    teacher_usd: float
    """Of asking it."""
    top_bill_usd: float
    """What the top tier alone would have cost on what came."""
    space: ClusterSpace | None
    """Where failures were grouped."""
    too_few: TooFew | None = None
    """Why nothing of it is learned, where its gate rows could prove nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class TurnPlan:
    """The whole turn."""

    tasks: tuple[TaskPlan, ...]
    days: float
    """Over which the queries came; where tasks differ, the longest."""
    gain: Gain
    """Hoped for, in cost ratio over all tasks, with a lower bound."""
    outlay: Outlay
    break_even: BreakEven
    unteachable: tuple[Unteachable, ...] = ()
    """Tasks that were to learn and that no turn can refit."""

    @property
    def lessons(self) -> int:
        """Of all tasks."""
        return sum(len(task.lessons) for task in self.tasks)

    @property
    def left_as_they_are(self) -> tuple[str, ...]:
        """One sentence for each task that no turn can refit, or whose gate rows could prove nothing."""
        return (*(its.reason for its in self.unteachable), *(its.reason for its in self._too_few))

    @property
    def _too_few(self) -> tuple[TooFew, ...]:
        return tuple(task.too_few for task in self.tasks if task.too_few is not None)

    def why_not(self, fewest: int) -> str | None:
        """Why there is nothing to learn with under `fewest` lessons; None: there is."""
        if self.lessons >= fewest:
            return None
        if not self.lessons and self._too_few:
            return "No task is left that a turn could teach: more gate rows are needed."
        return f"{self.lessons:,} lessons could be had, under {fewest:,}: nothing to learn from."

    def as_json(self) -> dict[str, Any]:
        """For the journal and for `--json`; no text but labels and exemplars."""
        return {
            "days": self.days,
            "gain": asdict(self.gain),
            "outlay": {**asdict(self.outlay), "usd": self.outlay.usd},
            "break_even": asdict(self.break_even),
            "unteachable": {its.task: its.why for its in self.unteachable},
            "tasks": [
                {name: _plain(getattr(task, name)) for name in TaskPlan.__dataclass_fields__ if name != "space"}
                for task in self.tasks
            ],
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan keeps to."""

    lessons: int
    """Of each task, at most."""
    bar: Bar
    spent: Sequence[Spent]
    """Of the gate's delta, by earlier turns."""


def plan_turn(
    system: TurnSystem,
    came: Mapping[str, tuple[Sequence[Came], LeftOut]],
    days: Mapping[str, float],
    limits: Limits,
    unteachable: Sequence[Unteachable],
) -> TurnPlan:
    """`came`: by task that can learn, oldest first. `days`: by task, that it took them to come; positive."""
    every = [_plan_task(system, task, *came[task], days[task], limits) for task in sorted(came)]
    gate = {plan.task: system.rows[plan.task].gate.examples for plan in every if plan.lessons}
    left_out = too_few(gate, limits.spent, limits.bar, seed=system.settings.seed)
    plans = [_untaught(plan, left_out[plan.task]) if plan.task in left_out else plan for plan in every]
    ranked = [cluster for plan in plans for cluster in plan.clusters if cluster.lessons]
    daily = sum(plan.top_bill_usd / days[plan.task] for plan in plans)
    gain = expected_gain(
        [c.value_usd for c in ranked], [max(c.low_usd, 0.0) for c in ranked], top_bill_usd=daily * HORIZON_DAYS
    )
    unpaid, usd = sum(plan.unpaid for plan in plans), sum(plan.teacher_usd for plan in plans)
    outlay = Outlay(unpaid, usd / unpaid if unpaid else 0.0)
    even = break_even(outlay, daily_top_usd=daily, gain=gain)
    return TurnPlan(tuple(plans), max(days[plan.task] for plan in plans), gain, outlay, even, tuple(unteachable))


def _untaught(plan: TaskPlan, because: TooFew) -> TaskPlan:
    return replace(plan, clusters=(), lessons=(), unpaid=0, teacher_usd=0.0, space=None, too_few=because)


def _plan_task(
    system: TurnSystem, task: str, came: Sequence[Came], left_out: LeftOut, days: float, limits: Limits
) -> TaskPlan:
    rows, seed = system.rows[task], system.settings.seed
    known_ids = {e.query.id for e in rows.train.examples}
    found = find_failures((one.observed for one in came), top=system.top_of(task).name)
    failures = [f for f in found if f.query.id not in known_ids]
    bill = [one.top_cost_usd for one in came if one.top_cost_usd is not None]
    each_usd = sum(bill) / len(bill) if bill else 0.0
    causes = {str(cause): sum(f.cause is cause for f in failures) for cause in sorted({f.cause for f in failures})}
    bare = TaskPlan(
        task, len(came), len(failures), causes, 0, left_out, (), (), 0, 0.0, each_usd * len(came), space=None
    )
    # Of a task that could not even pass alone nothing more is worth knowing: clustering takes most of a plan's time.
    alone = too_few({task: rows.gate.examples}, limits.spent, limits.bar, seed=seed)
    if failures and task in alone:
        return _untaught(bare, alone[task])
    return _with_lessons(bare, system, came, failures, each_usd, days, limits.lessons)


def _with_lessons(
    bare: TaskPlan,
    system: TurnSystem,
    came: Sequence[Came],
    failures: Sequence[Failure],
    each_usd: float,
    days: float,
    lessons: int,
) -> TaskPlan:
    position = {one.query.id: i for i, one in enumerate(came)}
    vectors = system.rich.encode([f.query.text for f in failures]).astype(np.float32)
    barred = _barred(system, bare.task, failures, vectors)
    free = [i for i in range(len(failures)) if i not in barred]
    choice = _choose(system, bare.task, [failures[i] for i in free], vectors[free], each_usd, came, lessons, days)
    chosen = [failures[free[int(i)]] for i in choice.lessons]
    unpaid = sum(failure.teacher_answer is None for failure in chosen)
    return replace(
        bare,
        barred=len(barred),
        clusters=tuple(_cluster(choice, ranked, [failures[i] for i in free]) for ranked in choice.ranked),
        lessons=tuple(position[failure.query.id] for failure in chosen),
        unpaid=unpaid,
        teacher_usd=unpaid * each_usd,
        space=choice.space,
    )


def _barred(system: TurnSystem, task: str, failures: Sequence[Failure], vectors: Vectors) -> set[int]:
    if not failures:
        return set()
    rows = system.rows[task].held_out
    held_out = take_prints([e.query for e in rows], sentence(system.rich.encode([e.query.text for e in rows])))
    mine = take_prints([f.query for f in failures], sentence(vectors))
    return {overlap.lesson for overlap in find_overlaps(mine, held_out)}


def _choose(
    system: TurnSystem,
    task: str,
    failures: Sequence[Failure],
    vectors: Vectors,
    each_usd: float,
    came: Sequence[Came],
    lessons: int,
    days: float,
) -> Choice:
    labelled = system.rows[task].train.examples
    known = Known(middle(system.rich.encode([e.query.text for e in labelled])), [e.reference for e in labelled])
    cheap_usd = each_usd * _share_of_top(system, task)
    failed = Failed(task, failures, middle(vectors), max(each_usd - cheap_usd, 0.0), each_usd)
    horizon = Horizon(len(came) * HORIZON_DAYS / days, len(came))
    probe = QuickProbe(metric(system.settings.tasks[task].metric))
    return choose_lessons(
        failed, known, lessons, horizon, clusterer=KMeansClusterer(), probe=probe, seed=system.settings.seed
    )


def _share_of_top(system: TurnSystem, task: str) -> float:
    """The price for a token of the dearest cheap tier that the task may use, over its top tier's."""
    *_, cheap, top = system.tiers_of(task)
    dearest = cheap.price.cost_usd(1_000, 1_000)
    return dearest / top.price.cost_usd(1_000, 1_000)


def _cluster(choice: Choice, ranked: Ranked, failures: Sequence[Failure]) -> ClusterPlan:
    found = next(c for c in choice.clusters if c.index == ranked.evidence.index)
    return ClusterPlan(
        found.index,
        found.label,
        found.size,
        ranked.gap,
        ranked.evidence.learnable,
        ranked.value,
        ranked.low,
        choice.lessons_in(found.index),
        tuple(" ".join(failures[i].query.text.split())[:120] for i in found.exemplars),
        ranked.dropped,
    )


def sentence(rich: Vectors) -> Vectors:
    """The first of the three blocks of rich vectors: what likeness is measured by."""
    return rich[:, : rich.shape[1] // 3]


def middle(rich: Vectors) -> Vectors:
    """The second block: what failures are clustered by."""
    third = rich.shape[1] // 3
    return rich[:, third : 2 * third]


def _plain(value: object) -> object:
    if isinstance(value, (LeftOut, TooFew)):
        return asdict(value)
    if isinstance(value, tuple):
        return [asdict(v) if isinstance(v, ClusterPlan) else v for v in value]
    return dict(value) if isinstance(value, Mapping) else value
