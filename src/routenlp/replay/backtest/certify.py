"""The four rules over one system's policies: whole policies are replayed on calibration rows, and the arrays judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.conditional import conditional, most_testable
from routenlp.conformal.first_testable import first_testable
from routenlp.conformal.groups import Units, group_units, row_units, rows_to_take
from routenlp.conformal.joint import joint
from routenlp.conformal.labels_needed import for_conditional, for_joint, for_quality_ratio
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Verdict
from routenlp.replay.backtest.rows import Ladder, Rows, Run
from routenlp.types import FloatArray

Rule = Literal["quality_ratio", "joint", "conditional", "paper"]
Z90 = 1.2815515655446004
"""The normal distribution's 90% point."""
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for."""

    guarantee: Rule = "quality_ratio"
    eps: float = 0.03
    alpha: float = 0.05
    delta: float = 0.10
    handled_at: float = 1.0
    """An answer of lower quality has failed."""

    @property
    def walked(self) -> Rule:
        """The rule that policies are walked by: `paper` has no delta to walk at, and leaves them to the default."""
        return "quality_ratio" if self.guarantee == "paper" else self.guarantee

    def excess(self, quality: FloatArray, cheap: NDArray[np.bool_], top: FloatArray) -> FloatArray:
        """Row by row, a variable whose mean is at most 0 where a policy holds the target of the rule walked by.

        `quality` of the final answers and whether they are `cheap`, shape (..., n); `top`: shape (n,).
        """
        if self.walked == "quality_ratio":
            return np.asarray((1.0 - self.eps) * top - quality)
        failed = quality < self.handled_at
        if self.walked == "joint":
            return np.asarray((cheap & failed) - self.alpha)
        return np.asarray(cheap * (failed - self.alpha))


@dataclass(frozen=True, slots=True, eq=False)
class Replays:
    """Every policy of a ladder on the same rows; matrices are (policies, n), row 0 is always-top."""

    quality: FloatArray
    cost_usd: FloatArray
    cheap: NDArray[np.bool_]
    """Whether a non-top tier's answer was the final one."""
    top: FloatArray
    """Quality of the top tier's answers, shape (n,)."""
    top_cost_usd: FloatArray

    @property
    def quality_ratio(self) -> FloatArray:
        """Of each policy, shape (policies,); NaN where the top tier has no quality at all."""
        return _over(self.quality, self.top)

    @property
    def cost_ratio(self) -> FloatArray:
        """Of each policy, shape (policies,); NaN where the top tier costs nothing."""
        return _over(self.cost_usd, self.top_cost_usd)

    def excess(self, target: Target) -> FloatArray:
        """See `Target.excess`, shape (policies, n)."""
        return target.excess(self.quality, self.cheap, self.top)

    def rows(self, chosen: NDArray[np.bool_]) -> Replays:
        """The same policies on some of the rows."""
        return Replays(
            self.quality[:, chosen],
            self.cost_usd[:, chosen],
            self.cheap[:, chosen],
            self.top[chosen],
            self.top_cost_usd[chosen],
        )

    def beside(self, other: Replays) -> Replays:
        """The same policies on these rows and then on the other's."""
        return Replays(
            np.concatenate([self.quality, other.quality], axis=1),
            np.concatenate([self.cost_usd, other.cost_usd], axis=1),
            np.concatenate([self.cheap, other.cheap], axis=1),
            np.concatenate([self.top, other.top]),
            np.concatenate([self.top_cost_usd, other.top_cost_usd]),
        )


def _over(values: FloatArray, top: FloatArray) -> FloatArray:
    total = float(top.sum())
    return np.asarray(values.sum(axis=1) / total) if total > 0.0 else np.full(len(values), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """The same policies on training rows, from estimates that had not seen them: it chooses where walks begin."""

    replays: Replays
    units: Units


def replay_all(ladder: Ladder, rows: Rows) -> Replays:
    """Run every policy of `ladder` over `rows`."""
    return as_replays([ladder.run(rows, step) for step in range(ladder.size)], rows)


def as_replays(runs: Sequence[Run], rows: Rows) -> Replays:
    """What every policy did to `rows`."""
    top = len(rows.tiers) - 1
    return Replays(
        np.stack([run.quality(rows) for run in runs]),
        np.stack([run.cost_usd(rows) for run in runs]),
        np.stack([run.final != top for run in runs]),
        rows.quality[:, -1],
        rows.cost_usd[:, -1],
    )


def units_of(train: Rows, rows: Rows, *, seed: int) -> Units:
    """Rows as units where none share a group, else groups; how many rows a group gives is taken from training."""
    names = [str(g) for g in rows.groups.tolist()]
    if len(set(names)) == len(names):
        return row_units(rows.n, seed=seed)
    return group_units(names, seed=seed, rows_a_group=rows_to_take([str(g) for g in train.groups.tolist()]))


def verdicts(
    calibrate: Replays, rehearsal: Rehearsal, target: Target, units: Units, *, asymptotic: bool = False
) -> dict[str, Verdict]:
    """What `quality_ratio`, `joint` and `conditional` say of the policies 1, 2, ..., by rule.

    `rehearsal` only chooses where the walks of `quality_ratio` and `conditional` begin.
    """
    lost, failed = _lost(calibrate, target), calibrate.quality[1:] < target.handled_at
    train = rehearsal.replays
    return {
        "quality_ratio": quality_ratio(
            calibrate.quality[1:],
            calibrate.top,
            eps=target.eps,
            delta=target.delta,
            units=units,
            asymptotic=asymptotic,
            start=first_testable(
                train.quality[1:],
                train.top,
                eps=target.eps,
                delta=target.delta,
                units=rehearsal.units,
                tested_units=units.count,
            ),
        ),
        "joint": joint(lost, alpha=target.alpha, delta=target.delta, units=units, asymptotic=asymptotic),
        "conditional": conditional(
            calibrate.cheap[1:],
            failed,
            alpha=target.alpha,
            delta=target.delta,
            units=units,
            start=most_testable(train.cheap[1:], train.quality[1:] < target.handled_at, alpha=target.alpha),
            asymptotic=asymptotic,
        ),
    }


def _lost(replays: Replays, target: Target) -> FloatArray:
    failed = replays.quality[1:] < target.handled_at
    return np.asarray(replays.cheap[1:] & failed, dtype=np.float64)


def cheapest_step(calibrate: Replays, target: Target) -> int:
    """The uncertified operating point: the cheapest policy that holds the target on these rows; 0 if none does."""
    holds = calibrate.excess(target).mean(axis=1) <= _ROUNDING
    cost = np.where(holds, calibrate.cost_usd.sum(axis=1), np.inf)
    return int(cost.argmin()) if holds.any() else 0


@dataclass(frozen=True, slots=True, eq=False)
class SeenRows:
    """Every policy of a ladder on one set of rows, and which of these rows belong together."""

    replays: Replays
    groups: NDArray[np.int64]
    """Of each row, shape (n,)."""


def cheapest_with_margin(seen: Sequence[SeenRows], target: Target) -> int:
    """The same policies on several sets of rows: the cheapest on the first that holds the target on each of them with
    one standard error, by groups, to spare; 0 if none does.

    The cheapest policy whose mean holds is mostly one that these rows flatter: of many that are as good it is the
    luckiest. One standard error is the usual allowance for it (Breiman, Friedman, Olshen and Stone 1984, section
    3.4.3); nothing is proved by it. A set of one group says nothing of its error, and lets nothing but policy 0 pass.
    """
    holds = np.all([_upper(rows, target) <= _ROUNDING for rows in seen], axis=0)
    cost = np.where(holds, seen[0].replays.cost_usd.sum(axis=1), np.inf)
    return int(cost.argmin()) if holds.any() else 0


def _upper(rows: SeenRows, target: Target) -> FloatArray:
    """Each policy's mean excess and one standard error, shape (policies,)."""
    excess = rows.replays.excess(target)
    member = np.unique(rows.groups, return_inverse=True)[1]
    return np.asarray(excess.mean(axis=1) + [_error(row, member) for row in excess])


def _error(values: FloatArray, member: NDArray[np.int64]) -> float:
    """Standard error of the mean of rows that come in groups, numbered from 0; endless where there is one group and
    the rows differ, for then nothing is known of it.
    """
    sums = np.bincount(member, weights=values - values.mean())
    if len(sums) < 2:
        return 0.0 if np.ptp(values) == 0.0 else float("inf")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums @ sums))) / len(values)


@dataclass(frozen=True, slots=True)
class Miss:
    """Whether a policy missed its target on test rows, which have noise of their own."""

    at_all: bool
    beyond_noise: bool
    """By more than the one-sided 90% noise of these rows: of policies that sit exactly on target, one in ten does."""


def miss(test: Replays, step: int, target: Target, groups: NDArray[np.int64]) -> Miss:
    """Policy `step` on test rows, by the normal approximation over groups; `groups` of each row, shape (n,)."""
    excess = target.excess(test.quality[step], test.cheap[step], test.top)
    mean = float(excess.mean())
    error = _error(excess, np.unique(groups, return_inverse=True)[1])
    return Miss(mean > _ROUNDING, mean > Z90 * error + _ROUNDING)


def labels_still_needed(calibrate: Replays, step: int, target: Target, units: Units) -> int | None:
    """Labels beyond these until policy `step` would likely be proved; 0 if these suffice, None if it never would be.

    For `joint` and `conditional` rows count one by one, also where they are grouped.
    """
    quality, cheap = calibrate.quality[step], calibrate.cheap[step]
    failed = cheap & (quality < target.handled_at)
    if target.walked == "quality_ratio":
        routed, top = units.sums(quality), units.sums(calibrate.top)
        found = for_quality_ratio(routed, top, eps=target.eps, delta=target.delta, span=float(units.largest))
        total = None if found is None else round(found * units.n / units.count)
    elif target.walked == "joint":
        total = for_joint(float(failed.mean()), alpha=target.alpha, delta=target.delta)
    else:
        share = float(failed.sum() / max(cheap.sum(), 1))
        total = for_conditional(share, float(cheap.mean()), alpha=target.alpha, delta=target.delta)
    return None if total is None else max(0, total - units.n)
