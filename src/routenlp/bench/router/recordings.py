"""On every recording: how well each estimator foretells quality, and what routing by it alone is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenlp.bench.backtest.recordings import Source
from routenlp.contracts import Estimator
from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.ladder import training_rows
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.reaches import Reaches, compare_reaches
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import asked_tiers, efficient_tiers
from routenlp.training.continuation import fit_continuation_rule
from routenlp.training.logistic_fit import log_loss
from routenlp.training.outcomes_present import Fitted
from routenlp.training.ridge_fit import fit_ridge
from routenlp.training.stack_fit import FITS, fit_stack
from routenlp.types import FloatArray

KINDS: Mapping[str, Callable[..., Fitted[Estimator]]] = {**FITS, "stack": fit_stack}
TIER_MEAN = "tier mean"
PRICES = np.concatenate([[0.0], np.geomspace(1e-3, 30.0, 63)])


@dataclass(frozen=True, slots=True)
class Fold:
    """One split of a recording: the training fold, and all other queries."""

    train: Rows
    rest: Rows
    seed: int


@dataclass(frozen=True, slots=True)
class Worth:
    """One system on one split. Of an estimator: routing by quality - price x cost at many prices, nothing after."""

    recording: str
    system: str
    seed: int
    aiq: float
    log_loss: float | None
    """Mean over tiers, in nats; None for a baseline."""


def folds(source: Source, where: Path, seeds: int) -> Iterator[Fold]:
    """One for each seed from 0."""
    prices = where / "prices.yaml" if source.priced else None
    table = read_outcomes(where / f"{source.name}.parquet", models=source.tiers, costs=source.costs, prices=prices)
    counts = count_table(table)
    for seed in range(seeds):
        at = fold_outcomes(table, seed=seed)
        tiers = _tiers(table, source, at.train)
        rows = make_rows(table, tiers, fit_features(table, at.train, counts, seed=seed))
        others = np.sort(np.concatenate([at.calibrate, at.gate, at.test]))
        yield Fold(take(rows, at.train), take(rows, others), seed)


def _tiers(table: OutcomeTable, source: Source, train: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[str, ...]:
    return (asked_tiers(table, source.tiers) if source.tiers else efficient_tiers(table.rows(train))).names


def worths(recording: str, fold: Fold) -> Iterator[Worth]:
    """Every estimator, and every baseline that can be fitted."""
    train, rest = fold.train, fold.rest
    tiers = len(train.tiers)
    top_usd = float(train.cost_usd[:, -1].mean())
    cost = _estimate(fit_ridge, fold, train.cost_usd / top_usd, np.zeros(tiers), np.full(tiers, np.inf))
    mean = np.broadcast_to(train.quality.mean(axis=0), rest.quality.shape)
    yield Worth(recording, TIER_MEAN, fold.seed, _area(rest, _routed(rest, mean, cost)), _loss(rest, mean))
    for name, fit in KINDS.items():
        quality = _estimate(fit, fold, train.quality, np.zeros(tiers), np.ones(tiers))
        yield Worth(recording, name, fold.seed, _area(rest, _routed(rest, quality, cost)), _loss(rest, quality))
    for name, fit_baseline in BASELINES.items():
        try:
            ladder = fit_baseline(train, seed=fold.seed)
        except TrainingError:
            continue
        runs = [ladder.run(rest, step) for step in range(ladder.size)]
        points = [(run.cost_usd(rest).mean(), run.quality(rest).mean()) for run in runs]
        yield Worth(recording, name, fold.seed, _area(rest, points), None)


def reaches(fold: Fold) -> Reaches:
    """What the continuation rule costs beside route-only and cascade-only, on rows that no fit saw."""
    fitted = fit_continuation_rule(training_rows(fold.train), seed=fold.seed)
    return compare_reaches(fitted, fold.train, fold.rest, seed=fold.seed)


def _estimate(
    fit: Callable[..., Fitted[Estimator]], fold: Fold, targets: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    train, rest = fold.train, fold.rest
    tasks = len(train.task_names)
    fitted = fit(train.features, train.task, targets, train.groups, tasks=tasks, seed=fold.seed, low=low, high=high)
    return fitted.model.estimate(rest.features, rest.task)


def _loss(rows: Rows, quality: FloatArray) -> float:
    return float(np.mean(log_loss(quality, rows.quality)))


def _routed(rows: Rows, quality: FloatArray, cost: FloatArray) -> list[tuple[float, float]]:
    """Mean cost and quality at each price, every query at its best tier."""
    at = np.arange(rows.n)
    chosen = [np.argmax(quality - price * cost, axis=1) for price in PRICES]
    return [(float(rows.cost_usd[at, k].mean()), float(rows.quality[at, k].mean())) for k in chosen]


def _area(rows: Rows, points: list[tuple[float, float]]) -> float:
    """AIQ between the costs of the cheapest tier and the dearest, always-top among the policies."""
    mean = rows.cost_usd.mean(axis=0)
    always_top = (float(mean[-1]), float(rows.quality[:, -1].mean()))
    cost, quality = np.array([*points, always_top]).T
    return aiq(quality_cost_hull(cost, quality), float(mean.min()), float(mean.max()))
