"""Stop rules: what decides before the first answer and after each one. Both start at the router's first tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routenlp.types import Call, Parts, Route, Step, Stop


def accept(score: float | None, threshold: float | None) -> bool:
    """Whether an answer passes. An absent threshold escalates, and so does an answer without a score."""
    return score is not None and threshold is not None and score <= threshold


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The pre-router alone: whatever the first tier says is returned."""

    def threshold(self, task: str, tier: str) -> float | None:  # noqa: ARG002 - the contract's arguments
        """None: this rule has no thresholds."""
        return None

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """Call the router's choice, then stop."""
        if not steps:
            return Call(route.first, route.reason)
        return Stop(steps[-1].answer, "the router's choice is final")

    def parts(self) -> Parts:
        """For storage."""
        return Parts("stop_rule/first_answer", {}, {})


@dataclass(frozen=True, slots=True)
class ThresholdCascade:
    """The paper's cascade: accept if score <= threshold of (task, tier), else the next tier; the top always stops.

    `tiers`: names, cheapest first. `thresholds`: by task, then tier; a missing one escalates.
    """

    tiers: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, float]]

    def threshold(self, task: str, tier: str) -> float | None:
        """The threshold in force, None where there is none."""
        return self.thresholds.get(task, {}).get(tier)

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """Stop at the top tier or at a score within the threshold; else climb one tier."""
        if not steps:
            return Call(route.first, route.reason)
        last = steps[-1]
        position = self.tiers.index(last.answer.tier)
        if position == len(self.tiers) - 1:
            return Stop(last.answer, "the top tier always answers")
        limit = self.threshold(route.task, last.answer.tier)
        if accept(last.score, limit):
            return Stop(last.answer, f"uncertainty {last.score:.3f} is within the threshold {limit:.3f}")
        return Call(self.tiers[position + 1], _why_not(last.score, limit))

    def parts(self) -> Parts:
        """For storage."""
        thresholds = {task: dict(by_tier) for task, by_tier in self.thresholds.items()}
        return Parts("stop_rule/threshold_cascade", {}, {"tiers": list(self.tiers), "thresholds": thresholds})


def _why_not(score: float | None, limit: float | None) -> str:
    if limit is None:
        return "this task has no threshold at this tier"
    if score is None:
        return "the answer could not be scored"
    return f"uncertainty {score:.3f} is over the threshold {limit:.3f}"
