"""`backtest`: what routing would have saved on recorded outcomes, certified, beside the baselines.

One split: tiers and features are chosen on the training fold, every system is fitted there once, policies are judged on
the calibration fold, and what is reported comes from the test fold. More repeats split anew; certificates, tasks and
curves are those of the first split, systems are averaged over all.

The certificate is about the recording as one workload; each task's own certificate, on its own rows, stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from routenlp.conformal.walk import check_level
from routenlp.errors import DataError, SettingsError, TrainingError
from routenlp.replay.backtest.assemble import assemble
from routenlp.replay.backtest.certify import Rule, Target
from routenlp.replay.backtest.features import count_table
from routenlp.replay.backtest.result import Backtest
from routenlp.replay.backtest.split import Measured, Recorded, Split, run_split
from routenlp.replay.backtest.threads import one_thread
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable

RULES: tuple[Rule, ...] = ("quality_ratio", "joint", "conditional", "paper")
Tell = Callable[[int, int], None]


def backtest(
    outcomes: str | Path | object,
    *,
    tiers: Sequence[str] | None = None,
    eps: float = 0.03,
    alpha: float = 0.05,
    delta: float = 0.10,
    guarantee: Rule = "quality_ratio",
    repeats: int = 20,
    seed: int = 0,
    handled_at: float | None = None,
    costs: Mapping[str, float] | None = None,
    prices: str | Path | Mapping[str, object] | None = None,
    task_column: str | None = None,
    split_column: str | None = None,
    calibrate_most: int | None = None,
    progress: Tell | None = None,
) -> Backtest:
    """See `routenlp.backtest`, which has the same arguments."""
    begin = time.perf_counter()
    _check(guarantee, eps, alpha, delta, repeats, handled_at, calibrate_most)
    table = read_outcomes(
        outcomes, models=tiers, costs=costs, prices=prices, task_column=task_column, split_column=split_column
    )
    _check_confidence(table, guarantee)
    binary = bool(np.isin(table.quality, (0.0, 1.0)).all())
    target = Target(guarantee, eps, alpha, delta, (1.0 if binary else 0.5) if handled_at is None else handled_at)
    recorded = Recorded(table, count_table(table), tiers, calibrate_most, seed)
    with one_thread():
        first, measured, failed = _run_splits(recorded, target, repeats, progress or (lambda *_: None))
        return assemble(table, first, measured, failed, target, time.perf_counter() - begin)


def _run_splits(
    recorded: Recorded, target: Target, repeats: int, tell: Tell
) -> tuple[Split, list[Measured], list[str]]:
    """The first split; what is kept of all; and which others could not be made, and why."""
    first = run_split(recorded, target, 0)
    tell(1, repeats)
    measured, failed = [first.measured], []
    for repeat in range(1, repeats):
        try:
            measured.append(run_split(recorded, target, repeat).measured)
        except (DataError, TrainingError) as exc:
            failed.append(f"split {repeat + 1}: {exc.problem}")
        tell(repeat + 1, repeats)
    return first, measured, failed


def _check(
    guarantee: Rule,
    eps: float,
    alpha: float,
    delta: float,
    repeats: int,
    handled_at: float | None,
    calibrate_most: int | None,
) -> None:
    if guarantee not in RULES:
        raise SettingsError("guarantee", f"is {guarantee!r}", f"Choose {', '.join(RULES)}")
    for name, value in (("eps", eps), ("alpha", alpha), ("delta", delta)):
        check_level(name, value)
    if repeats < 1:
        raise SettingsError("repeats", f"is {repeats}", "Ask for 1 or more")
    if calibrate_most is not None and calibrate_most < 1:
        raise SettingsError("calibrate_most", f"is {calibrate_most}", "Allow 1 calibration query or more")
    if handled_at is not None and not 0.0 < handled_at <= 1.0:
        raise SettingsError("handled_at", f"is {handled_at}", "Choose a quality above 0, at most 1")


def _check_confidence(table: OutcomeTable, guarantee: Rule) -> None:
    if guarantee == "paper" and np.isnan(table.confidence).all():
        problem = "is paper, which decides by confidence, and no model has any"
        raise SettingsError("guarantee", problem, "Record a column `confidence`, or choose quality_ratio")
