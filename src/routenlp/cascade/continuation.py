"""The continuation rule: before and after every answer, stop, or call any dearer tier, whichever is worth most.

    call k:  q_k(x, S) - price c_k(x) / c_top + margin 1{k = top}
    stop:    max over s in S of q_s(x, S) + margin 1{s = top}

S are the tiers already run, q the estimates of `cascade.estimates`, price = 1 / lambda. On stop, the answer that the
maximum belongs to is returned, so an escalation never ends in an answer that is expected to be worse. Route-only and
cascades that climb tier by tier are the same rule with fewer calls allowed (`Reach`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import AnswerQuality, Evidence
from routenlp.types import Call, FloatArray, Parts, Route, Step, Stop

STOPS = -1


class Reach(Enum):
    """Which tiers may be called."""

    DEARER = "dearer"
    """Any tier dearer than all that were run."""
    ONCE = "once"
    """Only a first tier: the router alone."""
    NEXT = "next"
    """The cheapest tier first, then the next dearer one: a cascade."""

    def allows(self, state: int, tiers: int) -> NDArray[np.bool_]:
        """By tier, whether it may be called in `state`."""
        position, dearest = np.arange(tiers), state.bit_length() - 1
        if self is Reach.ONCE:
            return np.full(tiers, state == 0)
        if self is Reach.NEXT:
            return np.asarray(position == dearest + 1)
        return np.asarray(position > dearest)


@dataclass(frozen=True, slots=True)
class Boldness:
    """The two knobs, both dimensionless."""

    price: float
    """1 / lambda: the quality that calling the top tier must bring to be worth its cost. 0 or more; rises."""
    margin: float
    """Bonus of the top tier's answer, in quality units. 0 or more; falls. 2 or more with price 0 is always-top."""


ALWAYS_TOP = Boldness(0.0, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What to do with each of n queries in one state."""

    call: NDArray[np.int64]
    """Position of the tier to call, or `STOPS`, shape (n,)."""
    answer: NDArray[np.int64]
    """Position of the best answer so far, or `STOPS` where there is none yet, shape (n,)."""


def decide(
    predicted: FloatArray, state: int, relative_cost: FloatArray, boldness: Boldness, reach: Reach = Reach.DEARER
) -> Decisions:
    """What the rule does; of equals, stopping goes first, then the cheapest tier.

    `predicted`: q_k(x, S), shape (n, K). `relative_cost`: c_k(x) / c_top, shape (n, K).
    """
    tiers = predicted.shape[1]
    worth = predicted.copy()
    worth[:, -1] += boldness.margin
    run = np.array([bool(state >> k & 1) for k in range(tiers)])
    stop = np.where(run, worth, -np.inf)
    call = np.where(reach.allows(state, tiers), worth - boldness.price * relative_cost, -np.inf)
    stops = (stop.max(axis=1) >= call.max(axis=1)) & (state > 0)
    answer = stop.argmax(axis=1) if state else np.full(len(predicted), STOPS)
    return Decisions(np.where(stops, STOPS, call.argmax(axis=1)), answer)


@dataclass(frozen=True, slots=True, eq=False)
class ContinuationRule:
    """`StopRule` by expected utility.

    A task that was not fitted, or a route without an estimate for every tier, goes to the top tier. An answer's
    confidence is 1 - score; its length is its number of output tokens.
    """

    tiers: tuple[str, ...]
    tasks: tuple[str, ...]
    quality: AnswerQuality
    relative_cost: FloatArray
    """Mean cost of each tier on each task over the top tier's mean cost over all, shape (tasks, K)."""
    boldness: Boldness
    reach: Reach = Reach.DEARER

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
        decisions = decide(predicted, state, self.relative_cost[evidence.task], self.boldness, self.reach)
        call, answer = int(decisions.call[0]), int(decisions.answer[0])
        if call != STOPS:
            return Call(self.tiers[call], self._why_call(predicted[0], call, answer))
        chosen = next(step.answer for step in steps if step.answer.tier == self.tiers[answer])
        return Stop(chosen, f"expected quality {predicted[0, answer]:.3f}: no dearer tier is worth its cost")

    def parts(self) -> Parts:
        """For storage."""
        quality = self.quality.parts()
        meta = {
            "tiers": list(self.tiers),
            "tasks": list(self.tasks),
            "price": self.boldness.price,
            "margin": self.boldness.margin,
            "reach": self.reach.value,
        }
        return Parts(self.KIND, {**quality.arrays, "relative_cost": self.relative_cost}, meta)

    @classmethod
    def from_parts(cls, parts: Parts) -> ContinuationRule:
        """The inverse of `parts`; raises `KeyError` where a part is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        return cls(
            tuple(meta["tiers"]),
            tuple(meta["tasks"]),
            AnswerQuality.from_parts(parts),
            np.asarray(parts.arrays["relative_cost"], dtype=np.float64),
            Boldness(float(meta["price"]), float(meta["margin"])),
            Reach(meta["reach"]),
        )

    def _expected(self, route: Route) -> FloatArray | None:
        by_tier = {estimate.tier: estimate.quality for estimate in route.estimates}
        expected = np.array([[by_tier.get(tier, np.nan) for tier in self.tiers]])
        return expected if route.task in self.tasks and np.isfinite(expected).all() else None

    def _evidence(self, task: str, expected: FloatArray, steps: tuple[Step, ...]) -> Evidence:
        confidence = np.full((1, len(self.tiers)), np.nan)
        length = np.full((1, len(self.tiers)), np.nan)
        for step in steps:
            k = self.tiers.index(step.answer.tier)
            length[0, k] = step.answer.output_tokens
            if step.score is not None:
                confidence[0, k] = 1.0 - step.score
        return Evidence(np.array([self.tasks.index(task)]), expected, confidence, length)

    def _to_the_top(self, steps: tuple[Step, ...]) -> Stop | Call:
        if steps and steps[-1].answer.tier == self.tiers[-1]:
            return Stop(steps[-1].answer, "nothing is known of this query: the top tier answers")
        return Call(self.tiers[-1], "nothing is known of this query: the top tier answers")

    def _why_call(self, predicted: FloatArray, call: int, answer: int) -> str:
        hoped = f"{self.tiers[call]} is expected to reach quality {predicted[call]:.3f}"
        if answer == STOPS:
            return f"{hoped}, most for its cost"
        return f"{hoped}, and the best answer so far {predicted[answer]:.3f}"
