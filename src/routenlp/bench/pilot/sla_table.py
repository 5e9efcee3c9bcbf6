"""Who misses the latency objectives, why, and how few could: task by task."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.figures import called
from routenlp.bench.pilot.world import World
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.replay.intervals import wilson

UNASKED_S = 1.0
"""Objective of a task that no settings know, as reports assume it."""


def missed(world: World) -> NDArray[np.bool_]:
    """Of each counted query."""
    sla = {name: task.sla_s for name, task in world.settings.tasks.items()}
    limit = np.array([sla.get(task, UNASKED_S) for task in world.task[world.counted].tolist()])
    return np.asarray(world.served.latency_s[world.counted] > limit)


def least_missed(world: World) -> float:
    """Share of the counted queries that the oracle of `in_time` misses over all tasks."""
    found = world.fewest_missed.values()
    return sum(one.missed for one in found) / max(sum(one.n for one in found), 1)


def sla_table(world: World) -> Table:
    """Ours by cause, beside the oracle and the top tier alone."""
    late, task = missed(world), world.task[world.counted]
    rows, top = world.served.rows(world.counted), len(world.settings.portfolio) - 1
    by_top = rows.final == top
    parts = [("all", np.ones(len(late), dtype=np.bool_)), *((name, task == name) for name in world.fewest_missed)]
    found = []
    for name, mine in parts:
        n = int(mine.sum())
        causes = (late & by_top & rows.fallback, late & by_top & ~rows.fallback, late & ~by_top)
        oracle = [one for key, one in world.fewest_missed.items() if name in ("all", key)]
        given = world.settings.tasks.get(name)
        limit = (
            f"{given.sla_s * 1e3:,.0f}" if given is not None else "–" if name == "all" else f"{UNASKED_S * 1e3:,.0f}"
        )
        found.append(
            (
                called(world, name),
                limit,
                interval(wilson(int((late & mine).sum()), n)),
                *(f"{int((cause & mine).sum()) / n:.3f}" for cause in causes),
                f"{sum(one.missed for one in oracle) / n:.3f}",
                f"{sum(one.top for one in oracle) / n:.3f}",
            )
        )
    heads = ("task", "SLA, ms", "missed", "of it: top tier, by rule", "top tier, called by the policy")
    more = ("cheap tier too slow", "least possible: oracle at the task's target", "top tier alone")
    return Table(
        "Queries over their latency objective, and how few any policy could have", (*heads, *more), tuple(found)
    )
