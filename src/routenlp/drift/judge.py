"""Has a judge become more lenient, or harsher, than it was? Its grades held against people's, query by query.

A query that both have graded brings a gap: how much worse people find its cheap answers than the judge does, in what
the task promises (`leniency`). The gap itself is no fault: calibration corrects it (`conformal.predictions`). But the
alarm watches judged quality, and where the gap grows that watch no longer sees what it saw.

No number says what the gap was: a mean of some hundred gaps is too uncertain to hold others against it. So gaps are
ranked among all before them (`ranks`). While the judge, the queries and the answers stay as they were, ranks are
independent and uniform, and so each factor below has mean 1 whatever the gap is worth:

    R_t^(j) = (R_{t-1}^(j) + 1) (1 + c_j ((k_j + 1) u_t^k_j - 1)),    u the rank, or 1 - u for a harsher judge.

The alarm is raised when the mean over j and both directions reaches B: after B gaps at the least, on average, while
nothing changes (as in `detector`). Large k bet on few large gaps, which is how a judge errs that grades in whole steps.
What has changed need not be the judge: the statement is that its grades are no longer off by what they were off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from routenlp.drift.ranks import counted
from routenlp.errors import DataError

BETS = ((1.0, 0.4), (4.0, 0.25), (16.0, 0.12))
"""k_j and c_j."""
_STEP = 0.05
_SIDE = 40
_BINS = 2 * _SIDE + 1
"""Of width 0.05, over all gaps that there can be: [-2, 2]."""
_MOST = 1e300


@dataclass(frozen=True, slots=True)
class JudgeState:
    """All that is remembered; JSON restores it exactly."""

    counts: tuple[int, ...]
    """Gaps seen, by bin."""
    statistics: tuple[float, ...]
    """R^(j), 0 or more: of a more lenient judge, then of a harsher one."""

    @property
    def seen(self) -> int:
        """Gaps."""
        return sum(self.counts)

    @property
    def mean_gap(self) -> float | None:
        """How lenient the judge is beside people, to within half a bin; None before the first gap."""
        if not self.seen:
            return None
        return _STEP * sum((at - _SIDE) * n for at, n in enumerate(self.counts)) / self.seen


@dataclass(frozen=True, slots=True)
class JudgeDetector:
    """Of one task and one judge. `see` is O(1) and pure: states are kept by the caller."""

    false_alarm_samples: float
    """B: gaps until a false alarm, on average at the least."""

    def __post_init__(self) -> None:
        """Raises `DataError` for a B under 1, which would be an alarm at every gap."""
        if not 1.0 <= self.false_alarm_samples < _MOST:
            raise DataError("samples until a false alarm", f"are {self.false_alarm_samples}", "Give at least 1.")

    def start(self) -> JudgeState:
        """Of a detector that has seen nothing: at first, and after each alarm."""
        return JudgeState((0,) * _BINS, (0.0,) * (2 * len(BETS)))

    def see(self, state: JudgeState, gap: float, tie: float) -> JudgeState:
        """After one more gap, as `leniency` gives it. `tie`: a fresh uniform draw from [0, 1) that breaks ties."""
        if not abs(gap) <= 2.0:
            raise DataError("gap of judge and people", f"is {gap}", "It is a difference of qualities: at most 2.")
        counts, rank = counted(state.counts, _SIDE + round(gap / _STEP), tie)
        factors = [1.0 + c * ((k + 1.0) * u**k - 1.0) for u in (rank, 1.0 - rank) for k, c in BETS]
        moved = tuple(min((r + 1.0) * f, _MOST) for r, f in zip(state.statistics, factors, strict=True))
        return JudgeState(counts, moved)

    def level(self, state: JudgeState) -> float:
        """How near the alarm is: 0 at the start, 1 and more where it is raised."""
        return math.fsum(state.statistics) / len(state.statistics) / self.false_alarm_samples


def more_lenient(state: JudgeState) -> bool:
    """Which way the evidence points: to a judge that is more lenient than it was, else to a harsher one."""
    half = len(BETS)
    return sum(state.statistics[:half]) >= sum(state.statistics[half:])


def leniency(
    guarantee: str, target: float, handled_at: float, top: str, gold: Mapping[str, float], judged: Mapping[str, float]
) -> float | None:
    """How much worse people find a query's cheap answers than its judge does; in [-2, 2], the mean over cheap tiers.

    Under `quality_ratio` what counts is (1 - eps) q_top - q_k: a judge that finds every answer better alike hides
    little. Under the others it is whether tier k's answer failed. `target`: eps, or alpha, which does not matter here.
    `gold`, `judged`: by tier. None where the top tier, or every other one, lacks a grade of either. No answer that was
    served has a part in it, so that a policy's coming and going, or an alarm, changes nothing.
    """
    cheap = [tier for tier in gold if tier in judged and tier != top]
    if not cheap or top not in gold or top not in judged:
        return None
    worse = _WORSE[guarantee]

    def of(quality: Mapping[str, float], tier: str) -> float:
        return worse(quality[tier], quality[top], target, handled_at)

    return math.fsum(of(gold, tier) - of(judged, tier) for tier in cheap) / len(cheap)


def _share(quality: float, _top: float, _target: float, handled_at: float) -> float:
    return float(quality < handled_at)


def _ratio(quality: float, top: float, eps: float, _handled_at: float) -> float:
    return (1.0 - eps) * top - quality


_WORSE: Mapping[str, Callable[[float, float, float, float], float]] = MappingProxyType(
    {"joint": _share, "conditional": _share, "paper": _share, "quality_ratio": _ratio}
)
