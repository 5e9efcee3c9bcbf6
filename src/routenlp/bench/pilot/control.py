"""The concurrent control: on audited queries every tier ran, so what was served stands beside the top tier's answer.

Which queries are audited is drawn before anything is known of them, so this is a randomised comparison, and paired. A
query counts by one over its chance of being audited. Tests flip the sign of each group's summed difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.world import World
from routenlp.replay.intervals import Interval, RowRatio, mcnemar, paired_bootstrap
from routenlp.types import FloatArray

FLIPS = 4_000
DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Compared:
    """Served minus top tier, a query."""

    measure: str
    served: float
    top: float
    difference: Interval
    p: float
    """That there is none; two-sided."""
    truth: float
    """The same difference over all counted queries, audited or not, which no operator could know."""


@dataclass(frozen=True, slots=True)
class Control:
    """The audit panel of some tasks."""

    n: int
    groups: int
    rows: tuple[Compared, ...]
    handled: tuple[int, int]
    """Queries that only what was served handled, and only the top tier."""
    handled_p: float
    """McNemar's exact test, which counts each query once."""


def control(world: World, which: NDArray[np.bool_]) -> Control | None:
    """None where no query was audited."""
    panel = which & world.served.audited
    if not panel.any():
        return None
    rows = world.served.rows(panel)
    weight = 1.0 / rows.propensity
    groups = world.group[panel].tolist()
    pairs: Mapping[str, tuple[str, str]] = {
        "cost, USD": ("cost_usd", "top_cost_usd"),
        "quality": ("quality", "top_quality"),
        "latency, s": ("latency_s", "top_latency_s"),
    }
    every = world.served.rows(which)
    found = tuple(
        _compared(
            name,
            getattr(rows, ours),
            getattr(rows, theirs),
            weight,
            groups,
            float((getattr(every, ours) - getattr(every, theirs)).mean()),
            world.plan.seed,
        )
        for name, (ours, theirs) in pairs.items()
    )
    handled_at = np.array([_handled_at(world, task) for task in world.task[panel].tolist()])
    mine, top = rows.quality >= handled_at, rows.top_quality >= handled_at
    only = int((mine & ~top).sum()), int((top & ~mine).sum())
    return Control(rows.n, len(set(groups)), found, only, mcnemar(*only))


def _handled_at(world: World, task: str) -> float:
    given = world.settings.tasks.get(task)
    return 1.0 if given is None else given.handled_at


def _compared(
    name: str,
    ours: FloatArray,
    theirs: FloatArray,
    weight: FloatArray,
    groups: list[str],
    truth: float,
    seed: int,
) -> Compared:
    rows = {
        "ours": RowRatio(weight * ours, weight),
        "theirs": RowRatio(weight * theirs, weight),
    }
    draws = paired_bootstrap(rows, groups, seed=seed, draws=DRAWS)
    return Compared(
        name,
        float((weight * ours).sum() / weight.sum()),
        float((weight * theirs).sum() / weight.sum()),
        draws.difference("ours", "theirs"),
        flip_test(weight * (ours - theirs), groups, seed=seed),
        truth,
    )


def flip_test(difference: FloatArray, groups: list[str], *, seed: int) -> float:
    """Two-sided p that the groups' summed differences are as likely of either sign."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    sums = np.bincount([names[g] for g in groups], weights=difference)
    sums = sums[sums != 0.0]
    if not len(sums):
        return 1.0
    rng = np.random.default_rng([seed, len(sums)])
    beyond = 0
    for _ in range(0, FLIPS, 500):
        signs = rng.integers(0, 2, size=(500, len(sums))) * 2.0 - 1.0
        beyond += int((np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12).sum())
    return (1 + beyond) / (1 + FLIPS)
