"""Baselines fitted on one part of a recording and run on the rest: what each claim is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.measures import Hull, aiq, apgr, pgr, quality_cost_hull
from routenlp.replay.backtest.rows import Ladder, Rows
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import efficient_tiers
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of recorded outcomes, or one task of it, and how it is split."""

    file: str
    task: str | None = None
    train: int | None = None
    """Queries to train on, drawn by the seed; None takes the folds of a backtest."""
    prices: bool = False
    """Whether costs come from `prices.yaml`."""
    costs: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Of each policy on held-out rows: mean cost in shares of always-top's, mean quality, share of top-tier answers."""

    cost: FloatArray
    quality: FloatArray
    top_share: FloatArray

    @property
    def hull(self) -> Hull:
        """The best mixtures of the policies."""
        return quality_cost_hull(self.cost, self.quality)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """All systems on the same rows."""

    systems: Mapping[str, Curve]
    cost: FloatArray
    """Mean of each tier, in shares of the top tier's."""
    quality: FloatArray

    def aiq(self, system: str) -> float:
        """Between the costs of the cheapest tier and of the dearest."""
        return aiq(self.systems[system].hull, float(self.cost.min()), float(self.cost.max()))

    def apgr(self, system: str) -> float:
        """Between the cheapest tier and the top one."""
        curve = self.systems[system]
        return apgr(curve.top_share, pgr(curve.quality, float(self.quality[0]), float(self.quality[-1])))

    def cost_at(self, system: str, quality_ratio: float) -> float:
        """The least cost of a mixture that keeps this share of top-tier quality; always-top's, 1, if none does."""
        found = self.systems[system].hull.cost_of(quality_ratio * float(self.quality[-1]))
        return 1.0 if found is None else min(found, 1.0)


def curves(folder: Path, recording: Recording, systems: Sequence[str], *, seeds: int) -> Iterator[Curves]:
    """One for each seed from 0. A baseline that cannot be fitted is left out of `Curves.systems`."""
    prices = folder / "prices.yaml" if recording.prices else None
    table = read_outcomes(folder / f"{recording.file}.parquet", costs=dict(recording.costs), prices=prices)
    if recording.task is not None:
        table = table.task(recording.task)
    counts = count_table(table)
    for seed in range(seeds):
        train, test = _split(table, recording, seed)
        tiers = efficient_tiers(table.rows(train)).names
        rows = make_rows(table, tiers, fit_features(table, train, counts, seed=seed))
        yield _measured(take(rows, train), take(rows, test), systems, seed)


def _split(table: OutcomeTable, recording: Recording, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if recording.train is None:
        folds = fold_outcomes(table, seed=seed)
        return folds.train, np.sort(np.concatenate([folds.calibrate, folds.gate, folds.test]))
    order = np.random.default_rng(seed).permutation(table.n)
    return np.sort(order[: recording.train]), np.sort(order[recording.train :])


def _measured(train: Rows, test: Rows, systems: Sequence[str], seed: int) -> Curves:
    found = {}
    for name in systems:
        try:
            found[name] = _curve(BASELINES[name](train, seed=seed), test)
        except TrainingError:
            continue
    top = test.cost_usd[:, -1].mean()
    return Curves(found, test.cost_usd.mean(axis=0) / top, test.quality.mean(axis=0))


def _curve(ladder: Ladder, rows: Rows) -> Curve:
    runs = [ladder.run(rows, step) for step in range(ladder.size)]
    top = rows.cost_usd[:, -1].mean()
    return Curve(
        cost=np.array([run.cost_usd(rows).mean() / top for run in runs]),
        quality=np.array([run.quality(rows).mean() for run in runs]),
        top_share=np.array([(run.final == len(rows.tiers) - 1).mean() for run in runs]),
    )
