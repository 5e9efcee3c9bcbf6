"""Each task's certificate: the ladder walked on the task's own calibration rows, or on those of several small tasks.

A task with too few rows to prove much is pooled with the others that are asked the same. What is promised then is about
the queries of those tasks together, in the proportions of the calibration fold, and of no single one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.groups import Units
from routenlp.conformal.labels_needed import for_joint, least_for_group_sums, least_for_quality_ratio
from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.replay.backtest.certify import (
    Rehearsal,
    Replays,
    SeenRows,
    Target,
    cheapest_step,
    cheapest_with_margin,
    labels_still_needed,
    replay_all,
    units_of,
    verdicts,
)
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.ladder import ContinuationLadder
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.wanted import Wanted, WantedOfTasks

ENOUGH = 4.0
"""Times the labels with which a policy that only matches the top tier could pass: from there a task is walked alone."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk along the ladder, and what it lets serve."""

    tasks: tuple[str, ...]
    """Those whose rows were walked together; one where it stands for itself."""
    wanted: Wanted
    """With the delta that was tested at: its share, where one is split."""
    step: int
    """The policy to deploy; 0 is always-top."""
    status: Status
    verdict: Verdict
    """Of that policy."""
    labels_still_needed: int | None
    """Beyond these rows, until the policy that saves most would likely be proved; 0: it is, or these suffice; None:
    never, for on these rows nothing cheaper holds the target."""


def certify_tasks(
    ladder: ContinuationLadder, train: Rows, calibrate: Rows, asked: WantedOfTasks, *, seed: int
) -> tuple[Walk, ...]:
    """Walks that cover every task once, in the order of tasks. Which tasks are pooled does not look at qualities of
    calibration rows.
    """
    bench = _Bench(train, calibrate, replay_all(ladder, calibrate), rehearse(ladder, train, seed=seed).replays, seed)
    parties = list(_parties(bench, asked))
    share = asked.family_delta and asked.family_delta / len(train.task_names)
    walks = [_walk(bench, tasks, _with_delta(wanted, share, len(tasks))) for tasks, wanted in parties]
    return tuple(sorted(walks, key=lambda walk: train.task_names.index(walk.tasks[0])))


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What every walk takes its part of."""

    train: Rows
    calibrate: Rows
    seen: Replays
    rehearsed: Replays
    seed: int

    def rows(self, tasks: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of these tasks, of the training fold and of the calibration fold."""
        return np.isin(self.train.task, tasks), np.isin(self.calibrate.task, tasks)

    def units(self, tasks: Sequence[int]) -> tuple[Units, Units]:
        """The same as units."""
        trained, tested = (np.flatnonzero(rows) for rows in self.rows(tasks))
        train = take(self.train, trained)
        return units_of(train, train, seed=self.seed), units_of(train, take(self.calibrate, tested), seed=self.seed)


def _parties(bench: _Bench, asked: WantedOfTasks) -> Iterator[tuple[tuple[int, ...], Wanted]]:
    """Tasks to be walked together, by position."""
    small: dict[tuple[Target, Status], list[int]] = {}
    for task, name in enumerate(bench.train.task_names):
        wanted = asked.of(name)
        trained, tested = (int(rows.sum()) for rows in bench.rows([task]))
        if not tested or (trained and _enough(bench, task, wanted.target)):
            yield (task,), wanted
        else:
            small.setdefault((wanted.target, wanted.serve_when), []).append(task)
    for (target, serve_when), tasks in small.items():
        yield tuple(tasks), Wanted(target, serve_when)


def _enough(bench: _Bench, task: int, target: Target) -> bool:
    trained, tested = bench.units([task])
    if target.walked == "quality_ratio":
        top = float(trained.sums(bench.train.quality[bench.train.task == task, -1]).mean())
        least = least_for_quality_ratio(top, eps=target.eps, delta=target.delta, span=float(tested.largest))
    elif tested.largest > 1:
        rows_a_group = len(tested.rows) / tested.count
        least = least_for_group_sums(rows_a_group, tested.largest, alpha=target.alpha, delta=target.delta)
    else:
        least = float(for_joint(0.0, alpha=target.alpha, delta=target.delta) or np.inf)
    return tested.count >= ENOUGH * least


def _with_delta(wanted: Wanted, share: float | None, tasks: int) -> Wanted:
    """Tasks that are walked together miss their target together, so that their shares add up."""
    return wanted if share is None else replace(wanted, target=replace(wanted.target, delta=share * tasks))


def _walk(bench: _Bench, tasks: tuple[int, ...], asked: Wanted) -> Walk:
    target, names = asked.target, tuple(bench.train.task_names[task] for task in tasks)
    trained, tested = bench.rows(tasks)
    if not tested.any() or not trained.any():
        return Walk(names, asked, 0, Status.UNCERTIFIED, _nothing(target, bool(tested.any())), None)
    of_training, units = bench.units(tasks)
    seen, rehearsal = bench.seen.rows(tested), Rehearsal(bench.rehearsed.rows(trained), of_training)
    verdict = choose(seen, rehearsal, asked, units, bench.calibrate.groups[tested])
    best = cheapest_step(seen, target)
    cost = seen.cost_usd.sum(axis=1)
    proved = verdict.status in (Status.CERTIFIED, Status.ASYMPTOTIC) and cost[verdict.selected] <= cost[best]
    needed = 0 if proved else labels_still_needed(seen, best, target, units)
    return Walk(names, asked, verdict.selected, verdict.status, verdict, needed)


def choose(seen: Replays, rehearsal: Rehearsal, asked: Wanted, units: Units, groups: NDArray[np.int64]) -> Verdict:
    """The boldest policy with a status of at least `serve_when`: finite-sample, else asymptotic, else the cheapest that
    holds the target on these rows with a standard error to spare. `groups`: of each row, shape (n,).
    """
    target = asked.target
    proved = [verdicts(seen, rehearsal, target, units, asymptotic=a)[target.walked] for a in (False, True)]
    allowed = [v for v in proved if v.selected and v.status.at_least(asked.serve_when)]
    if allowed:
        return max(allowed, key=lambda v: (v.selected, v.status is Status.CERTIFIED))
    if asked.serve_when is Status.EMPIRICAL and (step := cheapest_with_margin([SeenRows(seen, groups)], target)):
        return _seen_only(proved[0], seen, step, target)
    return proved[0] if not proved[0].selected else _none(proved[0], asked.serve_when)


def _seen_only(verdict: Verdict, seen: Replays, step: int, target: Target) -> Verdict:
    reason = f"Policy {step} is the cheapest that held the target on these rows with a margin; nothing is proved."
    found = measured(seen, step, target)
    return replace(verdict, selected=step, estimate=found, bound=None, status=Status.EMPIRICAL, reason=reason)


def _none(verdict: Verdict, serve_when: Status) -> Verdict:
    """Something passed, and with less proof than is asked for."""
    reason = f"What passed is {verdict.status} at most, and {serve_when} is asked for: {verdict.reason}"
    return replace(verdict, selected=0, status=Status.UNCERTIFIED, estimate=None, bound=None, reason=reason)


def measured(seen: Replays, step: int, target: Target) -> float | None:
    """A policy on these rows, in the quantity of the rule that is walked by; None where that is undefined."""
    failed = seen.cheap[step] & (seen.quality[step] < target.handled_at)
    if target.walked == "quality_ratio":
        ratio = float(seen.quality_ratio[step])
        return ratio if np.isfinite(ratio) else None
    if target.walked == "joint":
        return float(failed.mean())
    accepted = int(seen.cheap[step].sum())
    return float(failed.sum() / accepted) if accepted else None


def _nothing(target: Target, tested: bool) -> Verdict:
    level = target.eps if target.walked == "quality_ratio" else target.alpha
    fold = "training" if tested else "calibration"
    return Verdict(
        rule=target.walked,
        target=level,
        delta=target.delta,
        selected=0,
        tested_from=1,
        p_values=(),
        estimate=None,
        bound=None,
        n=0,
        groups=0,
        design_effect=None,
        method=Method.BETTING,
        status=Status.UNCERTIFIED,
        reason=f"No query of it fell into the {fold} fold.",
    )
