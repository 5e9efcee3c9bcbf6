"""From splits to the report: certificates, tasks and curves of the first split, systems over all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Rehearsal, Target, cheapest_step, labels_still_needed, units_of, verdicts
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.paper import paper_result
from routenlp.replay.backtest.points import measure_point
from routenlp.replay.backtest.result import (
    Backtest,
    PaperResult,
    Point,
    Recording,
    RuleResult,
    SystemResult,
    TaskResult,
)
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.split import ASYMPTOTIC, OURS, UNCERTIFIED, Figure, Measured, Split
from routenlp.replay.intervals import UNKNOWN, Interval
from routenlp.replay.outcomes.table import OutcomeTable

NOTES = {
    OURS: "certified for every sample size",
    ASYMPTOTIC: "certified by a normal approximation",
    UNCERTIFIED: "tuned to the calibration rows, nothing proved",
    "oracle": "knows every answer's quality: no router can do better",
}


def assemble(
    table: OutcomeTable,
    first: Split,
    measured: Sequence[Measured],
    failed: Sequence[str],
    target: Target,
    seconds: float,
) -> Backtest:
    """What all splits say together. `measured`: the first one and those that followed; `failed`: those that could not
    be made, and why.
    """
    ours = first.ours
    rules = {name: _rule(first, name, target) for name in ours.finite}
    paper = paper_result(first.folded.calibrate, first.folded.test, target)
    overall, status = _deployed(rules, paper, target)
    step = cheapest_step(ours.calibrated, target)
    return Backtest(
        recording=_recording(table, first, measured, failed),
        target=target,
        overall=overall,
        status=str(status),
        tasks=_tasks(first, target),
        systems=_systems(measured),
        guarantees=rules,
        paper=paper,
        curves=first.curves,
        labels_still_needed=labels_still_needed(ours.calibrated, step, target, ours.units),
        repeats=len(measured),
        seconds=seconds,
    )


def _recording(table: OutcomeTable, first: Split, measured: Sequence[Measured], failed: Sequence[str]) -> Recording:
    tiers = first.measured.tiers
    other = sum(m.tiers.names != tiers.names for m in measured)
    notes = [*table.notes, *tiers.notes]
    if other:
        notes.append(f"Tiers are chosen on each split's training fold; {other} of {len(measured)} splits chose others.")
    if failed:
        notes.append(f"{len(failed)} splits could not be used and are left out ({failed[0]}).")
    return Recording(
        queries=table.n,
        models=table.models,
        tasks=table.task_names,
        tiers=tiers.names,
        dropped=(*table.dropped, *(replace(d, count=table.n) for d in tiers.dropped)),
        notes=tuple(notes),
        cost_kind=table.cost_kind,
        folds=first.folded.sizes,
    )


def _rule(split: Split, name: str, target: Target) -> RuleResult:
    finite, asymptotic = split.ours.finite[name], split.ours.asymptotic[name]
    at_finite, at_asymptotic = (
        measure_point(split.ours.ladder, split.folded.test, verdict.selected, target)
        for verdict in (finite, asymptotic)
    )
    return RuleResult(finite, asymptotic, at_finite, at_asymptotic)


def _deployed(rules: Mapping[str, RuleResult], paper: PaperResult, target: Target) -> tuple[Point, Status]:
    """The policy that would serve, and how good its proof is.

    Under `paper` its own thresholds serve. Where no tier of the first split has a confidence they accept nothing, which
    is always-top, as at an UNCERTIFIED walk of the default rule.
    """
    if target.guarantee != "paper" or paper.test is None:
        rule = rules[target.walked]
        return rule.test, rule.verdict.status
    return paper.test, paper.status


def _tasks(split: Split, target: Target) -> dict[str, TaskResult]:
    """Each task on its own rows, by the rule that policies are walked by."""
    found = ((name, _task(split, at, target)) for at, name in enumerate(split.folded.test.task_names))
    return {name: task for name, task in found if task is not None}


def _task(split: Split, position: int, target: Target) -> TaskResult | None:
    """None where the task has no calibration or no test rows."""
    folded, ours = split.folded, split.ours
    train, calibrate, test = (_of_task(rows, position) for rows in (folded.train, folded.calibrate, folded.test))
    if not calibrate.n or not test.n:
        return None
    calibrated = ours.calibrated.rows(folded.calibrate.task == position)
    units = units_of(train, calibrate, seed=split.draw)
    rehearsed = ours.rehearsal.replays.rows(folded.train.task == position)
    rehearsal = Rehearsal(rehearsed, units_of(train, train, seed=split.draw))
    verdict = verdicts(calibrated, rehearsal, target, units)[target.walked]
    step = cheapest_step(calibrated, target)
    cost = calibrated.cost_usd.sum(axis=1)
    proved = verdict.selected > 0 and cost[verdict.selected] <= cost[step]
    needed = 0 if proved else labels_still_needed(calibrated, step, target, units)
    return TaskResult(verdict, measure_point(ours.ladder, test, verdict.selected, target), needed, calibrate.n)


def _of_task(rows: Rows, position: int) -> Rows:
    return take(rows, np.flatnonzero(rows.task == position))


def _systems(splits: Sequence[Measured]) -> tuple[SystemResult, ...]:
    """Ours certified and not, then the baselines, each tuned on the calibration rows to the same target."""
    names = list(dict.fromkeys(name for split in splits for name in split.figures))
    gone = {name: why for split in splits for name, why in split.missing.items() if name not in names}
    found = [_system(name, [s.figures[name] for s in splits if name in s.figures], len(splits)) for name in names]
    absent = [SystemResult(name, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, None, None, why) for name, why in gone.items()]
    return (*found, *absent)


def _system(name: str, figures: Sequence[Figure], splits: int) -> SystemResult:
    def spread(of: Callable[[Figure], float | None]) -> Interval:
        return _spread([value for figure in figures if (value := of(figure)) is not None])

    note = NOTES.get(name, "")
    if len(figures) < splits:
        note = f"{note}{'; ' if note else ''}in {len(figures)} of {splits} splits"
    reached = sum(f.cost_at_target is not None for f in figures)
    return SystemResult(
        name=name,
        quality_ratio=spread(lambda f: f.quality_ratio),
        cost_ratio=spread(lambda f: f.cost_ratio),
        cost_at_target=spread(lambda f: f.cost_at_target) if reached == splits else UNKNOWN,
        aiq=spread(lambda f: f.aiq),
        share_of_repeats_missing_target=float(np.mean([f.missed.at_all for f in figures])),
        share_missing_beyond_noise=float(np.mean([f.missed.beyond_noise for f in figures])),
        note=note,
    )


def _spread(values: Sequence[float]) -> Interval:
    """The mean between the 2.5% and 97.5% points of the repeats; no bounds for a single one."""
    if not values:
        return UNKNOWN
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, None, None)
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(mean, float(low), float(high))
