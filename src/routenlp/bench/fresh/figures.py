"""What came of a fresh task, on its test rows alone: acceptance by the human label, savings, and when they began.

Audits cost money too: what they paid beside serving is added to every request's cost, as the share that it was of
always-top's bill. Whole documents are drawn for the intervals, with the rows of all seeds in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.bench.fresh.arrivals import Use
from routenlp.bench.fresh.course import Served, Turn
from routenlp.replay.intervals import UNKNOWN, Interval, RatioDraws, RowRatio, over_tasks, paired_bootstrap
from routenlp.types import FloatArray

ACCEPTED, COST, COST_SERVED, ACCEPTED_AFTER, COST_AFTER = "accepted", "cost", "served", "accepted after", "cost after"


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """One task, arm and seed."""

    task: str
    arm: str
    seed: int
    served: tuple[Served, ...]
    turns: tuple[Turn, ...]
    handled_at: float

    @property
    def promoted_at(self) -> int | None:
        """After how many requests cheap tiers began to serve; None: never."""
        return next((turn.at for turn in self.turns if turn.serves), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of the table. Savings are shares of always-top's bill."""

    arm: str
    task: str
    n: int
    """Test rows."""
    groups: int
    acceptance: Interval
    savings: Interval
    """Audits counted, like the next but one."""
    savings_served: Interval
    """Of serving alone."""
    acceptance_after: Interval
    """Of requests after cheap tiers began to serve; unknown where they never did."""
    savings_after: Interval
    promoted_at: tuple[int | None, ...]
    """By seed."""
    requests: int
    """In the whole stream."""
    turns: tuple[int, ...]
    """By seed."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A task's standing with its draws."""

    standing: Standing
    draws: RatioDraws


def of_task(runs: Sequence[Ran], *, seed: int) -> Drawn:
    """`runs`: every seed of one task and arm."""
    parts = [_rows(run) for run in runs]
    groups = [group for part in parts for group in part.groups]
    ratios = {
        name: RowRatio(*(np.concatenate([getattr(part, side)[name] for part in parts]) for side in ("above", "below")))
        for name in (ACCEPTED, COST, COST_SERVED, ACCEPTED_AFTER, COST_AFTER)
    }
    draws = paired_bootstrap(ratios, groups, seed=seed)
    first = runs[0]
    n = len(parts[0].groups)
    requests = sum(len(part.arrivals) for part in first.served)
    return Drawn(_standing(runs, first.task, n, len(set(groups)), requests, draws), draws)


def together(tasks: Sequence[Drawn], runs: Sequence[Ran]) -> Standing:
    """Every task counts the same."""
    n, groups, requests = (sum(getattr(t.standing, name) for t in tasks) for name in ("n", "groups", "requests"))
    return _standing(runs, "all", n, groups, requests, over_tasks([t.draws for t in tasks]))


def _standing(runs: Sequence[Ran], task: str, n: int, groups: int, requests: int, draws: RatioDraws) -> Standing:
    seeds = runs if task != "all" else ()
    return Standing(
        runs[0].arm,
        task,
        n,
        groups,
        draws.interval(ACCEPTED),
        _saved(draws, COST),
        _saved(draws, COST_SERVED),
        draws.interval(ACCEPTED_AFTER),
        _saved(draws, COST_AFTER),
        tuple(run.promoted_at for run in seeds),
        requests,
        tuple(len(run.turns) for run in seeds),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    groups: list[str]
    above: dict[str, FloatArray]
    below: dict[str, FloatArray]


def _rows(run: Ran) -> _Rows:
    """The test rows of one seed."""
    counted = [(part, i) for part in run.served for i, one in enumerate(part.arrivals) if one.use is Use.COUNT]

    def column(name: str) -> FloatArray:
        return np.array([getattr(part, name)[i] for part, i in counted], dtype=np.float64)

    after = np.array([part.promoted for part, _ in counted], dtype=np.float64)
    cost, top = column("cost_usd"), column("top_usd")
    accepted = (column("quality") >= run.handled_at).astype(np.float64)
    ones = np.ones(len(counted))
    beside = [_beside(run.served), _beside([part for part in run.served if part.promoted])]
    above = {
        ACCEPTED: accepted,
        COST: cost + beside[0] * top,
        COST_SERVED: cost,
        ACCEPTED_AFTER: accepted * after,
        COST_AFTER: (cost + beside[1] * top) * after,
    }
    below = {ACCEPTED: ones, COST: top, COST_SERVED: top, ACCEPTED_AFTER: after, COST_AFTER: top * after}
    return _Rows([part.arrivals[i].example.group for part, i in counted], above, below)


def _beside(served: Sequence[Served]) -> float:
    """What audits paid beside serving, over always-top's bill for the same stretch."""
    audits = [
        float(part.rest_usd[i])
        for part in served
        for i, one in enumerate(part.arrivals)
        if one.use in (Use.CALIBRATE, Use.GATE)
    ]
    bill = sum(float(part.top_usd.sum()) for part in served)
    return sum(audits) / bill if bill else 0.0


def _saved(draws: RatioDraws, name: str) -> Interval:
    found = draws.interval(name)
    if found.estimate is None:
        return UNKNOWN
    ends = (None if end is None else 1.0 - end for end in (found.high, found.low))
    return Interval(1.0 - found.estimate, *ends)
