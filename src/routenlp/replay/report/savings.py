"""What always-top would have cost, and what was saved: measured on audits, which ran the top tier beside what served.

For every request it is estimated what the top tier would have cost with the tokens of the answer that was returned. How
far that is off is measured on the audits, whose top answer was paid for:

    always-top = sum of estimates + requests * mean of (paid for the top answer - estimate), weights 1 / propensity

The draw of audits is the only chance in it; what was paid is known to the last nano-dollar. So the interval of what was
saved is that of always-top, moved. A task counts as measured from `MIN_GROUPS` audited conversations on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.intervals import DRAWS, UNKNOWN, Interval, RatioDraws, RowRatio, paired_bootstrap
from routenlp.store.sql.reported import AuditSpend, ReportedAudit, Traffic
from routenlp.types import FloatArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Spent:
    """All that was paid, of which the record knows."""

    serving_usd: float
    """Every tier asked for every request, failed answers included."""
    audits_usd: float
    judge_usd: float
    turns: int
    turns_usd: float | None
    """Teacher's answers of the loop's turns, as planned; None where a turn left no plan."""

    @property
    def usd(self) -> float:
        """Of what is known."""
        return self.serving_usd + self.audits_usd + self.judge_usd + (self.turns_usd or 0.0)


@dataclass(frozen=True, slots=True)
class TaskSavings:
    """One task's requests that audits stand for."""

    task: str
    requests: int
    by_rule: int
    """Of them, those that the last tier answered because it had to: nothing is saved on them."""
    paid_usd: float
    """For serving them."""
    top: Interval
    """What always-top would have cost for them; unknown where too few were audited."""
    saved: Interval
    """Of `top`, a share; audits and judging are not taken off."""
    audits: int
    """With the top tier's cost on record."""
    groups: int
    unmeasured: int
    """Audits drawn that have no such cost yet, or never will."""
    token_estimate_usd: float
    """The same from tokens alone: a model, not a measurement."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Requests that no audit can stand for, so that nothing is said of what they saved."""

    why: str
    requests: int
    paid_usd: float


@dataclass(frozen=True, slots=True)
class Savings:
    """Over all tasks that are measured."""

    tasks: tuple[TaskSavings, ...]
    spent: Spent
    requests: int
    """Of measured tasks, that audits stand for; like the next."""
    paid_usd: float
    top: Interval
    saved_usd: Interval
    """`top` less what serving these cost, less all that audits, judging and turns cost."""
    saved: Interval
    """The same as a share of `top`."""
    saved_at_worst_usd: float | None
    """Had the top tier answered every audit whose cost is missing for nothing."""
    token_estimate_usd: float | None
    """What always-top would have cost for every routed request, from tokens alone; None without one."""
    outside: tuple[Outside, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A task with the draws behind its figure."""

    savings: TaskSavings
    estimate: float | None
    draws: FloatArray
    """Of always-top's cost; shape (draws,), or () where it is exact."""
    residual_usd: float
    """How much more the top tier cost than its estimate, a request on average; 0 where nothing is measured."""
    at_worst_usd: float | None


def measure_task(
    task: str, traffic: Sequence[Traffic], audits: Sequence[ReportedAudit], *, seed: int
) -> Measured | None:
    """None where audits stand for no request of this task."""
    ours = [t for t in traffic if t.task == task and t.covered and t.way in ("routed", "by rule")]
    if not ours:
        return None
    routed = [t for t in ours if t.way == "routed"]
    n = sum(t.requests for t in routed)
    known = sum(t.cost_usd for t in ours if t.way == "by rule")
    tokens = known + sum(t.top_estimate_usd or 0.0 for t in routed)
    mine = [a for a in audits if a.task == task and a.top_estimate_usd is not None]
    seen = [a for a in mine if a.top_usd is not None]
    off, mean = _residuals(seen, n, seed)
    exact = n == 0
    enough = exact or len({a.group for a in seen}) >= MIN_GROUPS
    draws = np.full(DRAWS, tokens) if exact else tokens + off if enough else np.empty(0)
    estimate = tokens + n * mean if enough and mean is not None else tokens if exact else None
    top = _interval(estimate, draws)
    paid = sum(t.cost_usd for t in ours)
    requests = sum(t.requests for t in ours)
    figures = (top, _share(top, paid), len(seen), len({a.group for a in seen}), len(mine) - len(seen), tokens)
    worst = None if estimate is None else tokens + n * (_mean_at_worst(mine) or 0.0)
    return Measured(TaskSavings(task, requests, requests - n, paid, *figures), estimate, draws, mean or 0.0, worst)


def measure(tasks: Sequence[Measured], traffic: Sequence[Traffic], spent: Spent) -> Savings:
    """Draws of different tasks are independent, for different requests were drawn."""
    counted = [m for m in tasks if m.estimate is not None]
    top = UNKNOWN
    if counted:
        estimate = math.fsum(m.estimate or 0.0 for m in counted)
        top = _interval(estimate, np.sum([m.draws for m in counted], axis=0))
    paid = math.fsum(m.savings.paid_usd for m in counted)
    beside = spent.usd - spent.serving_usd
    saved_usd = _less(top, paid + beside)
    worst = math.fsum(m.at_worst_usd or 0.0 for m in counted) - paid - beside if counted else None
    routed = [t.top_estimate_usd for t in traffic if t.top_estimate_usd is not None]
    return Savings(
        tuple(m.savings for m in tasks),
        spent,
        sum(m.savings.requests for m in counted),
        paid,
        top,
        saved_usd,
        _share(top, paid + beside),
        worst,
        math.fsum(routed) if routed else None,
        _outside(traffic, {m.savings.task for m in counted}),
    )


def spent_on(traffic: Sequence[Traffic], audits: Sequence[AuditSpend], turns: int, turns_usd: float | None) -> Spent:
    """Everything that the record knows of."""
    kinds: Mapping[str, float] = {
        kind: math.fsum(a.usd for a in audits if a.kind == kind) for kind in ("tier", "judge")
    }
    return Spent(math.fsum(t.cost_usd for t in traffic), kinds["tier"], kinds["judge"], turns, turns_usd)


def _residuals(seen: Sequence[ReportedAudit], n: int, seed: int) -> tuple[FloatArray, float | None]:
    """n times the mean of what the top tier cost more than estimated: its draws; and that mean."""
    if not seen:
        return np.empty(0), None
    weight = np.array([1.0 / a.propensity for a in seen])
    off = np.array([(a.top_usd or 0.0) - (a.top_estimate_usd or 0.0) for a in seen])
    found = paired_bootstrap({"": RowRatio(off * weight, weight)}, [a.group for a in seen], seed=seed)
    return n * found.draws[""], found.estimates[""]


def _mean_at_worst(mine: Sequence[ReportedAudit]) -> float | None:
    if not mine:
        return None
    weight = np.array([1.0 / a.propensity for a in mine])
    off = np.array([(a.top_usd or 0.0) - (a.top_estimate_usd or 0.0) for a in mine])
    return float((weight * off).sum() / weight.sum())


def _interval(estimate: float | None, draws: FloatArray) -> Interval:
    return RatioDraws({"": estimate}, {"": draws}, CONFIDENCE).interval("")


def _less(top: Interval, usd: float) -> Interval:
    ends = (None if end is None else end - usd for end in (top.estimate, top.low, top.high))
    return Interval(*ends)


def _share(top: Interval, paid_usd: float) -> Interval:
    """1 - paid / always-top, which rises with always-top: an end goes to an end."""
    ends = (None if end is None or end <= 0.0 else 1.0 - paid_usd / end for end in (top.estimate, top.low, top.high))
    return Interval(*ends)


_WHY: Mapping[str, str] = {
    "named": "the client named the tier",
    "off": "the client asked for no routing (x-routenlp-router: off)",
    "unknown": "no answer's tokens are on record, or no tier answered",
}


def _outside(traffic: Sequence[Traffic], measured: set[str]) -> tuple[Outside, ...]:
    by_why: dict[str, list[Traffic]] = {}
    for t in traffic:
        why = _WHY.get(t.way) or (
            "no audit could reach them: audits were off, or no content may be kept"
            if not t.covered
            else None
            if t.task in measured
            else f"tasks with under {MIN_GROUPS} audited conversations"
        )
        if why is not None:
            by_why.setdefault(why, []).append(t)
    return tuple(
        Outside(why, sum(t.requests for t in found), math.fsum(t.cost_usd for t in found))
        for why, found in sorted(by_why.items())
    )
