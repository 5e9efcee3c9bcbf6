"""How much of each task was audited, and why."""

from __future__ import annotations

import numpy as np

from routenlp.bench.pilot.figures import bill, called
from routenlp.bench.pilot.world import World
from routenlp.bench.six_tasks.table import Table
from routenlp.store.sql.audit_rates import PlannedRate


def audit_table(world: World) -> Table:
    """A row a task."""
    heads = ("task", "share of counted queries, first day", "last day", "as planned by", "planned for, queries a day")
    more = ("counted audits a day", "a doubled risk raises an alarm after", "audits over the task's always-top bill")
    return Table("How much was audited, and why", (*heads, *more), tuple(_row(world, task) for task in world.tasks))


def _row(world: World, task: str) -> tuple[str, ...]:
    mine, served = world.of_task(task), world.served
    first, last = (mine & (world.day == day) for day in (0, world.plan.days - 1))
    plan, its = world.evidence.audit_rates.get(task), bill(world, [task])
    audits = int((served.audited & mine).sum()) / world.plan.days
    share = f"{(its.audits + its.judge) / its.top:.3f}" if its.top else "–"
    return (called(world, task), _share(world, first), _share(world, last), *_planned(plan, audits), share)


def _share(world: World, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """The mean chance of being drawn."""
    return f"{world.served.propensity[which].mean():.3f}" if which.any() else "–"


def _planned(plan: PlannedRate | None, audits: float) -> tuple[str, ...]:
    if plan is None:
        return ("nothing planned", "–", f"{audits:.0f}", "–")
    days, a_day = plan.planned.alarm_days, plan.requests_a_day
    late = "–" if days is None else f"{days:.1f} days"
    return (str(plan.planned.why), "–" if a_day is None else f"{a_day:,.0f}", f"{audits:.0f}", late)
