"""The continuation rule as a `StopRule`: what `cascade.decision` decides of one query, with its estimates.

Each task may have a utility of its own: (lambda, margin, nu) are then those at which that task was certified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.deadlines import Deadlines, Late
from routenlp.cascade.decision import STOPS, Reach, Utility, decide
from routenlp.cascade.estimates import AnswerQuality, Evidence
from routenlp.types import Call, FloatArray, Parts, Route, Step, Stop


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

    KIND: ClassVar[str] = "stop_rule/continuation"

    def threshold(self, task: str, tier: str) -> float | None:  # noqa: ARG002 - the contract's arguments
        """None: this rule has no thresholds."""
        return None

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """The best of stopping and calling a dearer tier."""
        expected = self._expected(route)
        if expected is None:
            return self._to_the_top(steps)
        state = sum(1 << self.tiers.index(step.answer.tier) for step in steps)
        evidence = self._evidence(route.task, expected, steps)
        predicted = self.quality.predict(evidence, state)
        utility = self.of_task.get(route.task, self.utility)
        late = self._late(utility.deadlines, evidence.task, steps)
        decisions = decide(predicted, state, self._relative_cost(route), utility, self.reach, late)
        call, answer = int(decisions.call[0]), int(decisions.answer[0])
        if call != STOPS:
            return Call(self.tiers[call], self._why_call(predicted[0], call, answer, late))
        chosen = next(step.answer for step in steps if step.answer.tier == self.tiers[answer])
        return Stop(chosen, f"expected quality {predicted[0, answer]:.3f}: no dearer tier is worth its cost")

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

    def _expected(self, route: Route) -> FloatArray | None:
        by_tier = {estimate.tier: estimate.quality for estimate in route.estimates}
        expected = np.array([[by_tier.get(tier, np.nan) for tier in self.tiers]])
        return expected if route.task in self.tasks and np.isfinite(expected).all() else None

    def _relative_cost(self, route: Route) -> FloatArray:
        given = {estimate.tier: estimate.cost_usd for estimate in route.estimates}
        usd = [
            mean if given[tier] is None else given[tier]
            for tier, mean in zip(self.tiers, self.mean_cost_usd.tolist(), strict=True)
        ]
        return np.array([usd], dtype=np.float64) / self.top_cost_usd

    def _evidence(self, task: str, expected: FloatArray, steps: tuple[Step, ...]) -> Evidence:
        confidence = np.full((1, len(self.tiers)), np.nan)
        length = np.full((1, len(self.tiers)), np.nan)
        for step in steps:
            k = self.tiers.index(step.answer.tier)
            length[0, k] = step.answer.output_tokens
            if step.score is not None:
                confidence[0, k] = 1.0 - step.score
        return Evidence(np.array([self.tasks.index(task)]), expected, confidence, length)

    def _late(self, deadlines: Deadlines | None, task: NDArray[np.int64], steps: tuple[Step, ...]) -> Late | None:
        if deadlines is None:
            return None
        spent_s = np.zeros(1)
        for step in steps:
            k = np.array([self.tiers.index(step.answer.tier)])
            spent_s += deadlines.taken(task, k, np.array([step.answer.latency_s]))
        return deadlines.weigh(task, spent_s)

    def _to_the_top(self, steps: tuple[Step, ...]) -> Stop | Call:
        if steps and steps[-1].answer.tier == self.tiers[-1]:
            return Stop(steps[-1].answer, "nothing is known of this query: the top tier answers")
        return Call(self.tiers[-1], "nothing is known of this query: the top tier answers")

    def _why_call(self, predicted: FloatArray, call: int, answer: int, late: Late | None) -> str:
        hoped = f"{self.tiers[call]} is expected to reach quality {predicted[call]:.3f}"
        if late is not None and not late.feasible[0, call]:
            return f"no tier is expected to answer in time; {hoped}"
        if answer == STOPS:
            return f"{hoped}, most for its cost"
        return f"{hoped}, and the best answer so far {predicted[answer]:.3f}"


def _utility(parts: Parts, at: int) -> Utility:
    mine = f"utility{at}."
    return Utility.from_parts(
        Parts("", {name.removeprefix(mine): a for name, a in parts.arrays.items() if name.startswith(mine)}, {})
    )
