"""One split of a recording: what is chosen and fitted on its training fold, judged on calibration, measured on test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.groups import Units
from routenlp.conformal.verdict import Verdict
from routenlp.errors import DataError, FoldOverlap, SettingsError, TrainingError
from routenlp.replay.backtest.baselines.always import always
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.certify import (
    Miss,
    Rehearsal,
    Replays,
    Target,
    cheapest_step,
    miss,
    replay_all,
    units_of,
    verdicts,
)
from routenlp.replay.backtest.features import fit_features, make_rows, take
from routenlp.replay.backtest.ladder import fit_continuation
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.rows import Ladder, Rows
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import Tiers, asked_tiers, efficient_tiers
from routenlp.training.text_features import TextCounts

OURS, ASYMPTOTIC, UNCERTIFIED = "routenlp", "routenlp asymptotic", "routenlp uncertified"


@dataclass(frozen=True, slots=True)
class Figure:
    """One system's operating point on the test rows of one split."""

    quality_ratio: float
    cost_ratio: float
    cost_at_target: float | None
    """Of the upper hull of its policies on test rows, where that reaches 1 - eps; None where it never does."""
    aiq: float | None
    """Between the costs of the cheapest and the top tier; None for a system of one policy, which has no curve."""
    missed: Miss


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """The rows of the three folds that a split uses."""

    train: Rows
    calibrate: Rows
    test: Rows
    sizes: Mapping[str, int]
    """Queries by fold, the gate fold among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Ours:
    """The continuation rule's policies on the three folds, and what was proved of them."""

    ladder: Ladder
    rehearsal: Rehearsal
    calibrated: Replays
    tested: Replays
    units: Units
    finite: Mapping[str, Verdict]
    asymptotic: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a split says of every system: all that is kept of the later ones."""

    tiers: Tiers
    figures: Mapping[str, Figure]
    missing: Mapping[str, str]
    """Baselines that could not be fitted, and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What one split gave, with its rows and replays, which are large."""

    measured: Measured
    folded: Folded
    ours: Ours
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    draw: int


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What every split is made of."""

    table: OutcomeTable
    counts: TextCounts | None
    asked: Sequence[str] | None
    """Tiers by name; None takes the efficient ones."""
    calibrate_most: int | None
    """Calibration rows to use at most."""
    seed: int


def run_split(recorded: Recorded, target: Target, repeat: int) -> Split:
    """Split number `repeat`. Raises `DataError` where there is nothing to route between."""
    draw = recorded.seed * 1_000 + repeat
    tiers, folded = _fold(recorded, repeat, draw)
    ours = _certify(folded, target, draw)
    systems = [
        (OURS, ours.tested, ours.finite[target.walked].selected),
        (ASYMPTOTIC, ours.tested, ours.asymptotic[target.walked].selected),
        (UNCERTIFIED, ours.tested, cheapest_step(ours.calibrated, target)),
    ]
    ladders, missing = _fit_baselines(folded.train, draw)
    for ladder in ladders:
        step = cheapest_step(replay_all(ladder, folded.calibrate), target)
        systems.append((ladder.name, replay_all(ladder, folded.test), step))
    figures = {name: _figure(tested, step, target, folded.test) for name, tested, step in systems}
    curves = {name: _curve(tested) for name, tested, _ in systems if name not in (ASYMPTOTIC, UNCERTIFIED)}
    return Split(Measured(tiers, figures, missing), folded, ours, curves, draw)


def refuse_trained(table: OutcomeTable, trained: NDArray[np.int64], calibrate: NDArray[np.int64]) -> None:
    """Raise `FoldOverlap` if a calibration row, by the hash of its task and id, is one that training saw.

    Models judge rows that they were fitted on too kindly, and every certificate rests on there being none of them.
    """
    seen = {_row_hash(table, i) for i in trained}
    for i in calibrate:
        if _row_hash(table, i) in seen:
            problem = f"calibration row {table.ids[i]!r} of task {table.tasks[i]!r} was trained on"
            raise FoldOverlap("folds", problem, "Calibrate on rows that no fit saw")


def _row_hash(table: OutcomeTable, i: int) -> bytes:
    return hashlib.sha256(f"{table.tasks[i]}\0{table.ids[i]}".encode("utf-8", "surrogatepass")).digest()


def some_groups(table: OutcomeTable, at: NDArray[np.int64], most: int | None, *, seed: int) -> NDArray[np.int64]:
    """Of the queries at these positions at most `most`, in whole groups drawn at random; all where `most` is None."""
    if most is None or len(at) <= most:
        return at
    member = np.unique([table.groups[i] for i in at], return_inverse=True)[1]
    place = np.random.default_rng(seed).permutation(int(member.max()) + 1)[member]
    taken = np.cumsum(np.bincount(place)) <= most
    return np.asarray(at[taken[place]])


def _fold(recorded: Recorded, repeat: int, draw: int) -> tuple[Tiers, Folded]:
    table = recorded.table
    at = fold_outcomes(table, seed=recorded.seed, repeat=repeat)
    refuse_trained(table, at.train, at.calibrate)
    tiers = asked_tiers(table, recorded.asked) if recorded.asked else efficient_tiers(table.rows(at.train))
    if len(tiers.names) < 2:
        problem = f"{tiers.names[0]} is the cheapest model and the best one, so there is nothing to route"
        raise DataError("tiers", problem, "Use it always, or name two or more models with --tiers")
    everything = make_rows(table, tiers.names, fit_features(table, at.train, recorded.counts, seed=draw))
    labelled = some_groups(table, at.calibrate, recorded.calibrate_most, seed=draw)
    train, calibrate, test = (take(everything, rows) for rows in (at.train, labelled, at.test))
    for name, rows in (("train", train), ("calibrate", calibrate), ("test", test)):
        check_top(name, rows)
    sizes = {"train": train.n, "calibrate": calibrate.n, "gate": len(at.gate), "test": test.n}
    return tiers, Folded(train, calibrate, test, sizes)


def check_top(fold: str, rows: Rows) -> None:
    """Ratios are over the top tier: it must cost something and get something right."""
    top = rows.tiers[-1]
    if not rows.cost_usd[:, -1].sum() > 0.0:
        raise SettingsError("tiers", f"the top tier {top} costs nothing", "Name as the last tier one that costs most")
    if not rows.quality[:, -1].sum() > 0.0:
        problem = f"the top tier {top} has quality 0 on all {rows.n:,} queries of the {fold} fold"
        raise DataError("quality", problem, "Record more queries, or name another top tier with --tiers")


def _certify(folded: Folded, target: Target, draw: int) -> Ours:
    ladder = fit_continuation(folded.train, seed=draw)
    rehearsal = rehearse(ladder, folded.train, seed=draw)
    calibrated, tested = (replay_all(ladder, fold) for fold in (folded.calibrate, folded.test))
    units = units_of(folded.train, folded.calibrate, seed=draw)
    finite = verdicts(calibrated, rehearsal, target, units)
    asymptotic = verdicts(calibrated, rehearsal, target, units, asymptotic=True)
    return Ours(ladder, rehearsal, calibrated, tested, units, finite, asymptotic)


def _fit_baselines(train: Rows, draw: int) -> tuple[list[Ladder], dict[str, str]]:
    """Every baseline and every single model; what could not be fitted is named with the reason."""
    ladders: list[Ladder] = []
    missing: dict[str, str] = {}
    for name, fit in BASELINES.items():
        try:
            ladders.append(fit(train, seed=draw))
        except TrainingError as exc:
            missing[name] = exc.problem
    return [*ladders, *always(train.tiers)], missing


def _figure(tested: Replays, step: int, target: Target, rows: Rows) -> Figure:
    quality, cost = tested.quality_ratio, tested.cost_ratio
    hull = quality_cost_hull(cost, quality)
    reached = hull.cost_of(1.0 - target.eps)
    cheapest = float(rows.cost_usd[:, 0].sum() / rows.cost_usd[:, -1].sum())
    return Figure(
        quality_ratio=float(quality[step]),
        cost_ratio=float(cost[step]),
        cost_at_target=None if reached is None else max(reached, float(cost.min())),
        aiq=aiq(hull, cheapest, 1.0) if len(cost) > 1 and cheapest < 1.0 else None,
        missed=miss(tested, step, target, rows.groups),
    )


def _curve(tested: Replays) -> tuple[tuple[float, float], ...]:
    return tuple(zip(tested.cost_ratio.tolist(), tested.quality_ratio.tolist(), strict=True))
