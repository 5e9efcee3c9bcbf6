"""The four rules over one system's policies: whole policies are replayed on calibration rows, and the arrays judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.conditional import conditional, most_testable
from routenlp.conformal.groups import Units, group_units, row_units, rows_to_take
from routenlp.conformal.joint import joint
from routenlp.conformal.labels_needed import for_conditional, for_joint, for_quality_ratio
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Verdict
from routenlp.replay.backtest.rows import Ladder, Rows
from routenlp.types import FloatArray

Rule = Literal["quality_ratio", "joint", "conditional", "paper"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for."""

    guarantee: Rule = "quality_ratio"
    eps: float = 0.03
    alpha: float = 0.05
    delta: float = 0.10
    handled_at: float = 1.0
    """An answer of lower quality has failed."""


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
        """Of each policy, shape (policies,)."""
        return np.asarray(self.quality.sum(axis=1) / self.top.sum())

    @property
    def cost_ratio(self) -> FloatArray:
        """Of each policy, shape (policies,)."""
        return np.asarray(self.cost_usd.sum(axis=1) / self.top_cost_usd.sum())

    def rows(self, chosen: NDArray[np.bool_]) -> Replays:
        """The same policies on some of the rows."""
        return Replays(
            self.quality[:, chosen],
            self.cost_usd[:, chosen],
            self.cheap[:, chosen],
            self.top[chosen],
            self.top_cost_usd[chosen],
        )


def replay_all(ladder: Ladder, rows: Rows) -> Replays:
    """Run every policy of `ladder` over `rows`."""
    runs = [ladder.run(rows, step) for step in range(ladder.size)]
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
    calibrate: Replays, train: Replays, target: Target, units: Units, *, asymptotic: bool = False
) -> dict[str, Verdict]:
    """What `quality_ratio`, `joint` and `conditional` say of the policies 1, 2, ..., by rule.

    `train` replays the same policies on training rows: it only chooses where the walk of `conditional` begins.
    """
    lost, failed = _lost(calibrate, target), calibrate.quality[1:] < target.handled_at
    start = most_testable(train.cheap[1:], train.quality[1:] < target.handled_at, alpha=target.alpha)
    return {
        "quality_ratio": quality_ratio(
            calibrate.quality[1:],
            calibrate.top,
            eps=target.eps,
            delta=target.delta,
            units=units,
            asymptotic=asymptotic,
        ),
        "joint": joint(lost, alpha=target.alpha, delta=target.delta, units=units, asymptotic=asymptotic),
        "conditional": conditional(
            calibrate.cheap[1:],
            failed,
            alpha=target.alpha,
            delta=target.delta,
            units=units,
            start=start,
            asymptotic=asymptotic,
        ),
    }


def _lost(replays: Replays, target: Target) -> FloatArray:
    failed = replays.quality[1:] < target.handled_at
    return np.asarray(replays.cheap[1:] & failed, dtype=np.float64)


def cheapest_step(calibrate: Replays, eps: float) -> int:
    """The uncertified operating point: the cheapest policy whose quality ratio on these rows is at least 1 - eps."""
    cost = np.where(calibrate.quality_ratio >= 1.0 - eps - 1e-12, calibrate.cost_ratio, np.inf)
    return int(cost.argmin()) if np.isfinite(cost).any() else 0


def labels_still_needed(calibrate: Replays, step: int, target: Target, n: int) -> int | None:
    """Labels beyond these n until policy `step` would be proved; 0 if these suffice, None if it never would be."""
    quality, cheap = calibrate.quality[step], calibrate.cheap[step]
    failed = cheap & (quality < target.handled_at)
    needed: Mapping[str, int | None] = {
        "quality_ratio": for_quality_ratio(quality, calibrate.top, eps=target.eps, delta=target.delta),
        "joint": for_joint(float(failed.mean()), alpha=target.alpha, delta=target.delta),
        "conditional": for_conditional(
            float(failed.sum() / max(cheap.sum(), 1)),
            float(cheap.mean()),
            alpha=target.alpha,
            delta=target.delta,
        ),
    }
    total = needed.get(target.guarantee)
    return None if total is None else max(0, total - n)
