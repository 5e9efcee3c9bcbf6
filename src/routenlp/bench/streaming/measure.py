"""A mode of streaming over many calibrations: which policy each deploys, and what that truly does.

The rows at hand are the whole population: a calibration draws units from it with replacement, so that what its policy
truly does, the mean over the population, is known. Policies are fixed on training rows before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.groups import Units
from routenlp.replay.backtest.certify import Replays, Target, cheapest_step
from routenlp.replay.streaming.certify import first_step, units_of
from routenlp.replay.streaming.ladder import BUFFERED, Mode, as_replays, buffered, ladder, play_all
from routenlp.replay.streaming.play import Rung
from routenlp.replay.streaming.rows import Ints, Streams
from routenlp.types import FloatArray

DRAWS = 1_000
TARGET = Target()
"""`quality_ratio` at eps 0.03 and delta 0.10."""
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Measured:
    """One mode on one source of rows. Means and shares are over calibrations, of what their policies truly do."""

    source: str
    mode: str
    rows: int
    units: int
    """Of the population."""
    labels: int
    """Units a calibration."""
    policies: int
    draws: int
    misses: int
    """Calibrations whose policy truly misses the target."""
    always_top: float
    """Share of the calibrations that end at always-top."""
    quality_ratio: float
    cost_ratio: float
    """Over always-top."""
    extra_cost: float
    """Over the buffered mode's bill, less 1."""
    first_token_s: float
    """Median over queries, averaged over calibrations."""
    first_token_ratio: float
    """Median over calibrations of that over the buffered mode's in the same calibration."""
    committed: float
    """Share of the queries whose stream was released at its commit point."""
    cancelled: float
    """Share whose cheap call was broken off."""
    escalated: float
    """Share that the top tier answered."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A ladder on the population: what its policies truly do, and which one each calibration deploys."""

    rungs: tuple[Rung, ...]
    quality_ratio: FloatArray
    cost_usd: FloatArray
    first_token_s: FloatArray
    """Medians, like the other figures of shape (policies,)."""
    committed: FloatArray
    cancelled: FloatArray
    escalated: FloatArray
    misses: NDArray[np.bool_]
    """Whether a policy truly misses the target in any mode that it may be asked in."""
    deployed: Ints
    """Shape (draws,)."""


def course(
    train: Streams,
    pool: Streams,
    mode: Mode,
    *,
    labels: int,
    draws: int = DRAWS,
    target: Target = TARGET,
    seed: int = 0,
) -> Course:
    """`pool`: the population, of which every row counts; `labels`: units a calibration draws."""
    rungs = ladder(train, mode)
    both = (rungs,) if mode == BUFFERED else (rungs, buffered(rungs))
    played = play_all(pool, rungs)
    units = units_of(train.groups, pool.groups, seed)
    trained = units_of(train.groups, train.groups, seed)
    start = first_step(
        [as_replays(play_all(train, each), train) for each in both], target, trained, _sized(labels, units)
    )
    modes = [as_replays(played, pool), *(as_replays(play_all(pool, each), pool) for each in both[1:])]
    deployed = _deployed(modes, units, start, labels=labels, draws=draws, target=target, seed=seed)
    excess = np.stack([units.sums(one.excess(target)).mean(axis=1) for one in modes]).max(axis=0)
    rows, mine = units.rows, modes[0]
    return Course(
        rungs=rungs,
        quality_ratio=mine.quality[:, rows].sum(axis=1) / mine.top[rows].sum(),
        cost_usd=mine.cost_usd[:, rows].sum(axis=1),
        first_token_s=np.array([np.median(one.first_token_s[rows]) for one in played]),
        committed=np.array([one.released[rows].mean() for one in played]),
        cancelled=np.array([one.cancelled[rows].mean() for one in played]),
        escalated=np.array([1.0 - one.cheap[rows].mean() for one in played]),
        misses=excess > _ROUNDING,
        deployed=deployed,
    )


def measured(source: str, mode: Mode, mine: Course, base: Course, pool: Streams, units: Units, labels: int) -> Measured:
    """The figures of a course beside the buffered one, `base`."""
    at, there = mine.deployed, base.deployed
    ratio = mine.first_token_s[at] / base.first_token_s[there]
    return Measured(
        source=source,
        mode=str(mode),
        rows=pool.n,
        units=units.count,
        labels=labels,
        policies=len(mine.rungs),
        draws=len(at),
        misses=int(mine.misses[at].sum()),
        always_top=float(np.mean(at == 0)),
        quality_ratio=float(mine.quality_ratio[at].mean()),
        cost_ratio=float(mine.cost_usd[at].mean() / mine.cost_usd[0]),
        extra_cost=float(mine.cost_usd[at].mean() / base.cost_usd[there].mean() - 1.0),
        first_token_s=float(mine.first_token_s[at].mean()),
        first_token_ratio=float(np.median(ratio)),
        committed=float(mine.committed[at].mean()),
        cancelled=float(mine.cancelled[at].mean()),
        escalated=float(mine.escalated[at].mean()),
    )


def bill_on_training(train: Streams, target: Target) -> float:
    """Of the cheapest buffered policy that holds the target on training rows, over always-top's."""
    played = play_all(train, ladder(train, BUFFERED))
    step = cheapest_step(as_replays(played, train), target)
    return float(played[step].cost_usd.sum()) / float(train.top_usd.sum())


def _sized(labels: int, units: Units) -> Units:
    """As many units as a calibration will draw; only their number is looked at."""
    return Units(units.rows, np.resize(units.starts, labels), np.arange(labels), units.largest, units.n)


def _deployed(
    modes: list[Replays], units: Units, start: int, *, labels: int, draws: int, target: Target, seed: int
) -> Ints:
    """The walk of every calibration at once: policy by policy, only where the one before passed in every mode."""
    drawn = np.random.default_rng(seed).integers(units.count, size=(draws, labels))
    out, alive, order = np.zeros(draws, dtype=np.int64), np.arange(draws), np.arange(labels)
    for step in range(start, len(modes[0].quality)):
        for mode in modes:
            z = units.sums((1.0 - target.eps) * mode.top - mode.quality[step])
            sample = Bounded(z[drawn[alive]], -float(units.largest), float(units.largest))
            alive = alive[p_values(sample, order, target.delta) <= target.delta]
        if len(alive) == 0:
            break
        out[alive] = step
    return out
