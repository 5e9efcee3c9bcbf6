"""The continuation rule as a `StopRule`: what `cascade.decision` decides of one query, with its estimates.

Each task may have a utility of its own: (lambda, margin, nu) are then those at which that task was certified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np

from routenlp.cascade.deadlines import Deadlines, Late
from routenlp.cascade.decision import STOPS, Reach, Utility
from routenlp.cascade.estimates import AnswerQuality
from routenlp.cascade.one_query import Known, OneQuality, decide_one
from routenlp.types import Call, Estimate, FloatArray, Parts, Route, Step, Stop


@dataclass(frozen=True, slots=True, eq=False)
class ContinuationRule:
    """`StopRule` by expected utility.

    A task that was not fitted, or a route without an estimate for every tier, goes to the top tier. An answer's
    confidence is 1 - score; its length is its number of output tokens.
    """

    tiers: tuple[str, ...]
    tasks: tuple[str, ...]
    quality: AnswerQuality
    mean_cost_usd: FloatArray
    """Of each tier, shape (K,): what a query is expected to cost where its route does not say."""
    top_cost_usd: float
    """c_top: what costs are weighed in. Positive."""
    utility: Utility
    reach: Reach = Reach.DEARER
    of_task: Mapping[str, Utility] = field(default_factory=dict)
    """A task's own utility, which goes before `utility`."""
    _one: OneQuality = field(init=False, repr=False)
    _tier_at: dict[str, int] = field(init=False, repr=False)
    _task_at: dict[str, int] = field(init=False, repr=False)
    _mean_usd: list[float] = field(init=False, repr=False)

    KIND: ClassVar[str] = "stop_rule/continuation"

    def __post_init__(self) -> None:
        for name, value in (
            ("_one", OneQuality(self.quality)),
            ("_tier_at", {tier: k for k, tier in enumerate(self.tiers)}),
            ("_task_at", {task: t for t, task in enumerate(self.tasks)}),
            ("_mean_usd", self.mean_cost_usd.tolist()),
        ):
            object.__setattr__(self, name, value)

    def threshold(self, task: str, tier: str) -> float | None:  # noqa: ARG002 - the contract's arguments
        """None: this rule has no thresholds."""
        return None

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """The best of stopping and calling a dearer tier."""
        task = self._task_at.get(route.task)
        given = {estimate.tier: estimate for estimate in route.estimates}
        estimates = [given[tier] for tier in self.tiers if tier in given]
        expected = [estimate.quality for estimate in estimates if math.isfinite(estimate.quality)]
        if task is None or len(expected) < len(self.tiers):
            return self._to_the_top(steps)
        answers = {self._tier_at[step.answer.tier]: step for step in steps}
        state = sum([1 << k for k in answers])
        predicted = self._one.predict(task, expected, {k: _known(step) for k, step in answers.items()}, state)
        utility = self.of_task.get(route.task, self.utility)
        late = self._readable(self._late(utility.deadlines, task, route, steps), route)
        decided = decide_one(predicted, state, self._relative_cost(estimates), utility, self.reach, late)
        if decided.call != STOPS:
            return Call(self.tiers[decided.call], self._why_call(predicted, decided.call, decided.answer, late))
        chosen = answers[decided.answer].answer
        return Stop(chosen, f"expected quality {predicted[decided.answer]:.3f}: no dearer tier is worth its cost")

    def parts(self) -> Parts:
        """For storage."""
        own = sorted(self.of_task)
        meta: dict[str, object] = {
            "tiers": list(self.tiers),
            "tasks": list(self.tasks),
            "top_cost_usd": self.top_cost_usd,
            "reach": self.reach.value,
            "own_utility": own,
        }
        arrays = {**self.quality.parts().arrays, "mean_cost_usd": self.mean_cost_usd}
        for at, utility in enumerate([self.utility, *(self.of_task[task] for task in own)]):
            arrays |= {f"utility{at}.{name}": array for name, array in utility.parts().arrays.items()}
        return Parts(self.KIND, arrays, meta)

    @classmethod
    def from_parts(cls, parts: Parts) -> ContinuationRule:
        """The inverse of `parts`; raises `KeyError` where a part is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        first, *own = [_utility(parts, at) for at in range(1 + len(meta["own_utility"]))]
        return cls(
            tuple(meta["tiers"]),
            tuple(meta["tasks"]),
            AnswerQuality.from_parts(parts),
            np.asarray(parts.arrays["mean_cost_usd"], dtype=np.float64),
            float(meta["top_cost_usd"]),
            first,
            Reach(meta["reach"]),
            dict(zip(meta["own_utility"], own, strict=True)),
        )

    def _relative_cost(self, estimates: list[Estimate]) -> list[float]:
        return [
            _cost_usd(estimate, mean) / self.top_cost_usd
            for estimate, mean in zip(estimates, self._mean_usd, strict=True)
        ]

    def _late(self, deadlines: Deadlines | None, task: int, route: Route, steps: tuple[Step, ...]) -> Late | None:
        if deadlines is None:
            return None
        at, spent_s = np.array([task]), np.zeros(1)
        for step in steps:
            k = np.array([self._tier_at[step.answer.tier]])
            spent_s += deadlines.taken(at, k, np.array([step.answer.latency_s]))
        by_tier = {estimate.tier: estimate for estimate in route.estimates}
        usual = deadlines.latency.log_mean[task].tolist()
        expected = [
            _log_seconds(by_tier.get(tier), log_usual) for tier, log_usual in zip(self.tiers, usual, strict=True)
        ]
        return deadlines.weigh(at, spent_s, np.array([expected]))

    def _readable(self, late: Late | None, route: Route) -> Late | None:
        """A tier that cannot read the query is infeasible too."""
        if not route.too_long:
            return late
        fits = np.array([[tier not in route.too_long for tier in self.tiers]])
        return Late(np.zeros(fits.shape), fits) if late is None else Late(late.penalty, late.feasible & fits)

    def _to_the_top(self, steps: tuple[Step, ...]) -> Stop | Call:
        if steps and steps[-1].answer.tier == self.tiers[-1]:
            return Stop(steps[-1].answer, "nothing is known of this query: the top tier answers")
        return Call(self.tiers[-1], "nothing is known of this query: the top tier answers")

    def _why_call(self, predicted: list[float], call: int, answer: int, late: Late | None) -> str:
        hoped = f"{self.tiers[call]} is expected to reach quality {predicted[call]:.3f}"
        if late is not None and not late.feasible[0, call]:
            return f"no tier is expected to answer in time; {hoped}"
        if answer == STOPS:
            return f"{hoped}, most for its cost"
        return f"{hoped}, and the best answer so far {predicted[answer]:.3f}"


def _cost_usd(estimate: Estimate, mean_usd: float) -> float:
    usd = mean_usd if estimate.cost_usd is None else estimate.cost_usd
    usd += estimate.extra_usd
    return max(usd - estimate.cached_usd, 0.0) if estimate.cached_usd else usd


def _log_seconds(estimate: Estimate | None, log_usual: float) -> float:
    """ln of the seconds that a tier is expected to take; NaN where only the task's usual is known."""
    if estimate is None or (estimate.latency_s is None and estimate.rounds == 1):
        return math.nan
    one = log_usual if estimate.latency_s is None else math.log(estimate.latency_s)
    return one + math.log(estimate.rounds)


def _known(step: Step) -> Known:
    return Known(None if step.score is None else 1.0 - step.score, float(step.answer.output_tokens))


def _utility(parts: Parts, at: int) -> Utility:
    mine = f"utility{at}."
    return Utility.from_parts(
        Parts("", {name.removeprefix(mine): a for name, a in parts.arrays.items() if name.startswith(mine)}, {})
    )
