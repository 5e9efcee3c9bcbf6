"""A stop rule for each task: its own estimates, and the policy that its own certificate allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from routenlp.cascade.committing import Committing
from routenlp.contracts import StopRule
from routenlp.router.nested import joined, part_of
from routenlp.types import Call, Parts, Route, Step, Stop


def rule_of(rule: StopRule, task: str) -> StopRule | None:
    """What decides on this task's whole answers; None for a task that the top tier answers."""
    if isinstance(rule, Committing):
        return rule_of(rule.rule, task)
    return rule.rules.get(task) if isinstance(rule, RulePerTask) else rule


@dataclass(frozen=True, slots=True)
class RulePerTask:
    """`StopRule` that asks the one of the route's task. A task without one is answered by `top`."""

    rules: Mapping[str, StopRule]
    top: str
    """The top tier's name."""

    KIND: ClassVar[str] = "stop_rule/per_task"

    def threshold(self, task: str, tier: str) -> float | None:
        """That of the task's own rule."""
        rule = self.rules.get(task)
        return None if rule is None else rule.threshold(task, tier)

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """What the task's own rule says."""
        rule = self.rules.get(route.task)
        if rule is not None:
            return rule.next(route, steps)
        if steps and steps[-1].answer.tier == self.top:
            return Stop(steps[-1].answer, "this task has no rule: the top tier answers")
        return Call(self.top, "this task has no rule: the top tier answers")

    def parts(self) -> Parts:
        """For storage, with every rule's inside."""
        inner = {f"rule{at}": self.rules[task].parts() for at, task in enumerate(sorted(self.rules))}
        return joined(self.KIND, {"tasks": sorted(self.rules), "top": self.top}, inner)

    @classmethod
    def from_parts(cls, parts: Parts, build: Callable[[Parts], StopRule]) -> RulePerTask:
        """The inverse of `parts`; `build` makes the rules inside. Raises `KeyError` where a part is missing."""
        meta: Any = parts.meta
        rules = {task: build(part_of(parts, f"rule{at}")) for at, task in enumerate(meta["tasks"])}
        return cls(rules, str(meta["top"]))
