"""`backtest`: what routing would have saved on recorded outcomes, certified, beside the baselines.

One split: tiers and features are chosen on the training fold, every system is fitted there once, policies are judged on
the calibration fold, and what is reported comes from the test fold. More repeats split anew; certificates, tasks and
curves are those of the first split, systems are averaged over all.

The certificate is about the recording as one workload; each task's own certificate, on its own rows, stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenlp.conformal.verdict import Status, Verdict
from routenlp.errors import DataError, SettingsError, TrainingError
from routenlp.replay.backtest.baselines.always import always
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.certify import (
    Replays,
    Rule,
    Target,
    cheapest_step,
    labels_still_needed,
    replay_all,
    units_of,
    verdicts,
)
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.ladder import fit_continuation
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.paper import paper_result
from routenlp.replay.backtest.points import measure_point
from routenlp.replay.backtest.result import Backtest, Recording, RuleResult, SystemResult, TaskResult
from routenlp.replay.backtest.rows import Ladder, Rows
from routenlp.replay.intervals import UNKNOWN, Interval
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import asked_tiers, efficient_tiers
from routenlp.training.text_features import TextCounts
from routenlp.types import FloatArray

OURS, ASYMPTOTIC, UNCERTIFIED = "routenlp", "routenlp asymptotic", "routenlp uncertified"
NOTES = {
    OURS: "certified for every sample size",
    ASYMPTOTIC: "certified by a normal approximation",
    UNCERTIFIED: "tuned to the calibration rows, nothing proved",
}
DEFAULT_RULE: Rule = "quality_ratio"
Tell = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""


def backtest(
    outcomes: str | Path | object,
    *,
    tiers: Sequence[str] | None = None,
    eps: float = 0.03,
    alpha: float = 0.05,
    delta: float = 0.10,
    guarantee: Rule = "quality_ratio",
    repeats: int = 1,
    seed: int = 0,
    handled_at: float | None = None,
    costs: Mapping[str, float] | None = None,
    prices: str | Path | Mapping[str, object] | None = None,
    task_column: str | None = None,
    split_column: str | None = None,
    progress: Tell = _silent,
) -> Backtest:
    """What routing would have saved on `outcomes`: a file, or a pandas, polars or Arrow frame, or a dict of columns.

    `tiers`: names, cheapest first; absent: the efficient ones. `handled_at`: an answer of lower quality has failed;
    absent: 1.0 where every quality is 0 or 1, else 0.5. The other arguments are those of `read_outcomes` and of the
    command `routenlp backtest`. Raises `DataError` and `SettingsError` naming what is wrong and what to do.
    """
    begin = time.perf_counter()
    if repeats < 1:
        raise SettingsError("repeats", f"is {repeats}", "Ask for 1 or more.")
    table = read_outcomes(
        outcomes, models=tiers, costs=costs, prices=prices, task_column=task_column, split_column=split_column
    )
    binary = bool(np.isin(table.quality, (0.0, 1.0)).all())
    target = Target(guarantee, eps, alpha, delta, handled_at or (1.0 if binary else 0.5))
    counts = count_table(table)
    splits = []
    for repeat in range(repeats):
        splits.append(_split(table, counts, tiers, target, seed, repeat))
        progress(repeat + 1, repeats)
    return _report(table, splits, target, time.perf_counter() - begin)


@dataclass(frozen=True, slots=True)
class _Figure:
    """One system's operating point on the test rows of one split."""

    quality_ratio: float
    cost_ratio: float
    aiq: float | None
    """None for a system of one policy, which has no curve."""


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """What one split gave. The rows and replays of ours are kept for the report of the first one."""

    tiers: tuple[str, ...]
    folds: Mapping[str, int]
    train: Rows
    calibrate: Rows
    test: Rows
    ours: Ladder
    train_replays: Replays
    calibrate_replays: Replays
    verdicts: Mapping[str, Verdict]
    asymptotic: Mapping[str, Verdict]
    figures: Mapping[str, _Figure]
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    missing: Mapping[str, str]
    """Baselines that could not be fitted, and why."""
    draw: int


def _split(
    table: OutcomeTable, counts: TextCounts | None, asked: Sequence[str] | None, target: Target, seed: int, repeat: int
) -> _Split:
    at = fold_outcomes(table, seed=seed, repeat=repeat)
    names = (asked_tiers(table, asked) if asked else efficient_tiers(table.rows(at.train))).names
    if len(names) < 2:
        raise DataError(
            "tiers",
            f"{names[0]} is the cheapest model and the best one, so there is nothing to route",
            "Use it always, or name two or more models with --tiers.",
        )
    draw = seed * 1_000 + repeat
    everything = make_rows(table, names, fit_features(table, at.train, counts, seed=draw))
    train, calibrate, test = (take(everything, rows) for rows in (at.train, at.calibrate, at.test))
    ours = fit_continuation(train, seed=draw)
    trained, calibrated = replay_all(ours, train), replay_all(ours, calibrate)
    units = units_of(train, calibrate, seed=draw)
    finite = verdicts(calibrated, trained, target, units)
    asymptotic = verdicts(calibrated, trained, target, units, asymptotic=True)
    rule = target.guarantee if target.guarantee in finite else DEFAULT_RULE
    tested = replay_all(ours, test)
    figures = {
        OURS: _figure(tested, finite[rule].selected),
        ASYMPTOTIC: _figure(tested, asymptotic[rule].selected),
        UNCERTIFIED: _figure(tested, cheapest_step(calibrated, target.eps)),
    }
    curves = {OURS: _curve(tested)}
    ladders, missing = _fit_baselines(train, draw)
    for ladder in ladders:
        on_test = replay_all(ladder, test)
        figures[ladder.name] = _figure(on_test, cheapest_step(replay_all(ladder, calibrate), target.eps))
        curves[ladder.name] = _curve(on_test)
    sizes = {"train": train.n, "calibrate": calibrate.n, "gate": len(at.gate), "test": test.n}
    return _Split(
        names,
        sizes,
        train,
        calibrate,
        test,
        ours,
        trained,
        calibrated,
        finite,
        asymptotic,
        figures,
        curves,
        missing,
        draw,
    )


def _fit_baselines(train: Rows, draw: int) -> tuple[list[Ladder], dict[str, str]]:
    """Every baseline and every single model; what could not be fitted is named with the reason."""
    ladders: list[Ladder] = []
    missing: dict[str, str] = {}
    for name, fit in BASELINES.items():
        try:
            ladders.append(fit(train, seed=draw))
        except TrainingError as exc:
            missing[name] = str(exc)
    return [*ladders, *always(train.tiers)], missing


def _figure(test: Replays, step: int) -> _Figure:
    quality, cost = test.quality_ratio, test.cost_ratio
    low, high = float(cost.min()), float(max(cost.max(), 1.0))
    area = aiq(quality_cost_hull(cost, quality), low, high) if len(cost) > 1 and low < high else None
    return _Figure(float(quality[step]), float(cost[step]), area)


def _curve(test: Replays) -> tuple[tuple[float, float], ...]:
    return tuple(zip(test.cost_ratio.tolist(), test.quality_ratio.tolist(), strict=True))


def _report(table: OutcomeTable, splits: Sequence[_Split], target: Target, seconds: float) -> Backtest:
    first = splits[0]
    rules = {
        name: RuleResult(
            verdict,
            first.asymptotic[name],
            measure_point(first.ours, first.test, verdict.selected, target),
            measure_point(first.ours, first.test, first.asymptotic[name].selected, target),
        )
        for name, verdict in first.verdicts.items()
    }
    paper = paper_result(first.calibrate, first.test, target)
    deployed = rules.get(target.guarantee)
    overall = deployed.test if deployed else paper.test
    if overall is None:
        raise DataError("guarantee", "is paper, and no tier has a confidence", "Ask for another guarantee.")
    status = deployed.verdict.status if deployed else (Status.EMPIRICAL if paper.promise_given else Status.UNCERTIFIED)
    step = cheapest_step(first.calibrate_replays, target.eps)
    return Backtest(
        recording=Recording(
            table.n,
            table.models,
            table.task_names,
            first.tiers,
            table.dropped,
            table.notes,
            table.cost_kind,
            first.folds,
        ),
        target=target,
        overall=overall,
        status=str(status),
        tasks=_tasks(first, target),
        systems=_systems(splits, target),
        guarantees=rules,
        paper=paper,
        curves=first.curves,
        labels_still_needed=labels_still_needed(first.calibrate_replays, step, target, first.calibrate.n),
        repeats=len(splits),
        seconds=seconds,
    )


def _tasks(split: _Split, target: Target) -> dict[str, TaskResult]:
    """Each task on its own rows. Under the rule `paper` the default rule stands in, which has a delta to walk at."""
    rule = DEFAULT_RULE if target.guarantee == "paper" else target.guarantee
    out = {}
    for position, name in enumerate(split.test.task_names):
        here = {f: np.flatnonzero(rows.task == position) for f, rows in _folds(split).items()}
        if not len(here["test"]) or not len(here["calibrate"]):
            continue
        calibrate, train = take(split.calibrate, here["calibrate"]), take(split.train, here["train"])
        mine = split.calibrate_replays.rows(split.calibrate.task == position)
        units = units_of(train, calibrate, seed=split.draw)
        verdict = verdicts(mine, split.train_replays.rows(split.train.task == position), target, units)[rule]
        needed = labels_still_needed(mine, cheapest_step(mine, target.eps), target, calibrate.n)
        point = measure_point(split.ours, take(split.test, here["test"]), verdict.selected, target)
        out[name] = TaskResult(verdict, point, needed)
    return out


def _folds(split: _Split) -> dict[str, Rows]:
    return {"train": split.train, "calibrate": split.calibrate, "test": split.test}


def _systems(splits: Sequence[_Split], target: Target) -> tuple[SystemResult, ...]:
    """Ours certified and not, then the baselines, each tuned on the calibration rows to the same quality ratio."""
    names = list(dict.fromkeys(name for split in splits for name in split.figures))
    gone = {name: why for split in splits for name, why in split.missing.items() if name not in names}
    found = [_system(name, [s.figures[name] for s in splits if name in s.figures], target) for name in names]
    return (*found, *(SystemResult(name, UNKNOWN, UNKNOWN, UNKNOWN, None, why) for name, why in gone.items()))


def _system(name: str, figures: Sequence[_Figure], target: Target) -> SystemResult:
    quality = np.array([f.quality_ratio for f in figures])
    missing = float((quality < 1.0 - target.eps - 1e-12).mean())
    cost = np.array([f.cost_ratio for f in figures])
    areas = np.array([f.aiq for f in figures if f.aiq is not None])
    area = _spread(areas) if len(areas) else UNKNOWN
    return SystemResult(name, _spread(quality), _spread(cost), area, missing, NOTES.get(name, ""))


def _spread(values: FloatArray) -> Interval:
    """The mean between the 2.5% and 97.5% points of the repeats; no bounds for a single one."""
    if len(values) < 2:
        return Interval(float(values.mean()), None, None)
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
