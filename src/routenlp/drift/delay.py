"""How long a real fall of quality would go on until the alarm: what a task's audit volume buys.

No closed form holds for a mean over several bets, so whole alarms are drawn: cheap, and exact up to the draws' noise.
They begin with a detector that has seen nothing, which is the slowest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.drift.detector import Detector
from routenlp.errors import DataError
from routenlp.types import FloatArray

RUNS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A distribution of x on finitely many values: what audits would bring after a change."""

    x: FloatArray
    """Shape (m,)."""
    chance: FloatArray
    """Of each value, shape (m,), summing to 1."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Days from the change to the alarm. None: later than was looked at."""

    median_days: float | None
    p90_days: float | None


def share_rises_to(risk: float, alpha: float) -> Samples:
    """x where a share of failures (or escalations) with target alpha has risen to `risk`."""
    return Samples(np.array([1.0 - alpha, -alpha]), np.array([risk, 1.0 - risk]))


def more_answers_fail(z: FloatArray, share: float, top_kept: FloatArray) -> Samples:
    """x of `quality_ratio` where a further `share` of all answers is worth nothing. As many as rows, twice.

    `z`: (1 - eps) q_top - q_routed of rows as they were, shape (n,); `top_kept`: (1 - eps) q_top of the same rows,
    which is z where the routed answer is worth nothing.
    """
    n = len(z)
    if n == 0:
        raise DataError("rows", "are none", "A delay can be expected where some audits were graded.")
    return Samples(
        np.concatenate([z, top_kept]), np.concatenate([np.full(n, (1.0 - share) / n), np.full(n, share / n)])
    )


def expected_delay(
    detector: Detector,
    after: Samples,
    samples_a_day: float,
    rng: np.random.Generator,
    *,
    runs: int = RUNS,
    most_days: float = 365.0,
) -> Delay:
    """Median and 90th percentile over `runs` simulated changes, to within some 5% of themselves."""
    steps = int(most_days * samples_a_day)
    bets = np.array(detector.watch.bets)
    statistics = np.zeros((runs, len(bets)))
    waiting = np.arange(runs)
    days = np.full(runs, np.inf)
    for step in range(1, steps + 1):
        x = rng.choice(after.x, size=len(waiting), p=after.chance)
        statistics = (statistics + 1.0) * (1.0 + bets * x[:, None])
        rings = statistics.mean(axis=1) >= detector.false_alarm_samples
        days[waiting[rings]] = step / samples_a_day
        waiting, statistics = waiting[~rings], statistics[~rings]
        if len(waiting) <= runs // 20:
            break
    return Delay(*(_finite(float(np.quantile(days, q, method="higher"))) for q in (0.5, 0.9)))


def _finite(days: float) -> float | None:
    return days if np.isfinite(days) else None
