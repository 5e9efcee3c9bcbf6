"""Any stop rule, but for the first tier, which the router chooses: what exploration needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from routenlp.contracts import StopRule
from routenlp.router.nested import unwrapped, wrapped
from routenlp.types import Call, Parts, Route, Step, Stop


@dataclass(frozen=True, slots=True)
class FirstByRouter:
    """`rule` after the first answer; before it, the route's first tier.

    A rule that chooses the first tier by itself, as the continuation rule does, would overrule an exploring router, and
    the propensities logged would be false.
    """

    rule: StopRule

    KIND: ClassVar[str] = "stop_rule/first_by_router"

    def threshold(self, task: str, tier: str) -> float | None:
        """The rule's."""
        return self.rule.threshold(task, tier)

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """The route's first tier, then whatever the rule says."""
        return self.rule.next(route, steps) if steps else Call(route.first, route.reason)

    def parts(self) -> Parts:
        """For storage, with the rule's inside."""
        return wrapped(self.rule.parts(), self.KIND, {})

    @classmethod
    def from_parts(cls, parts: Parts, build: Callable[[Parts], StopRule]) -> FirstByRouter:
        """The inverse of `parts`; `build` makes the inner rule."""
        return cls(build(unwrapped(parts)))
