"""Any stop rule, with commit rules for streams beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from routenlp.cascade.commit import CommitRule
from routenlp.contracts import StopRule
from routenlp.errors import IllegalMove, SettingsError
from routenlp.router.nested import unwrapped, wrapped
from routenlp.types import Call, Parts, Route, Step, Stop


@dataclass(frozen=True, slots=True)
class Committing:
    """`StopRule` that says what `rule` says of whole answers, and keeps the commit rules of streams.

    It stands outermost in a policy, so that they are part of its version and of what certificates are proved for.
    Whoever puts another rule in its place loses them: then streams are buffered, which every certificate of a policy
    with commit rules was proved for too (`replay.streaming`).
    """

    rule: StopRule
    tiers: tuple[str, ...]
    """Names, cheapest first."""
    commits: Mapping[str, Mapping[str, CommitRule]]
    """By task, then tier. The top tier has none: there is nothing to escalate to."""

    KIND: ClassVar[str] = "stop_rule/committing"

    def __post_init__(self) -> None:
        for task, by_tier in self.commits.items():
            for tier in by_tier:
                if tier not in self.tiers[:-1]:
                    raise SettingsError(
                        f"commit rule of {task!r} at {tier!r}",
                        "is not at a cheap tier",
                        f"Cheap tiers are {', '.join(self.tiers[:-1])}.",
                    )

    def of(self, task: str, tier: str) -> CommitRule | None:
        """The commit rule in force; None where there is none, which buffers."""
        by_tier = self.commits.get(task)
        return None if by_tier is None else by_tier.get(tier)

    def threshold(self, task: str, tier: str) -> float | None:
        """The rule's, of whole answers."""
        return self.rule.threshold(task, tier)

    def next(self, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
        """What the rule says of the whole answers; after a cancelled one, a tier dearer than that."""
        whole = tuple([step for step in steps if not step.cancelled])
        verdict = self.rule.next(route, whole)
        if len(whole) == len(steps) or isinstance(verdict, Stop):
            return verdict
        dearest = max(self.tiers.index(step.answer.tier) for step in steps)
        if self.tiers.index(verdict.tier) > dearest:
            return verdict
        if dearest == len(self.tiers) - 1:
            raise IllegalMove("stop rule", "has no tier after the top one", "The top tier's answer is not cancelled.")
        return Call(self.tiers[dearest + 1], f"{self.tiers[dearest]} was cancelled before its answer ended")

    def without(self, task: str) -> StopRule:
        """The same with this task's streams buffered."""
        return committed(self, self.tiers, task, {})

    def parts(self) -> Parts:
        """For storage, with the rule's inside."""
        commits = {
            task: {tier: rule.as_json() for tier, rule in sorted(by_tier.items())}
            for task, by_tier in sorted(self.commits.items())
        }
        return wrapped(self.rule.parts(), self.KIND, {"tiers": list(self.tiers), "commits": commits})

    @classmethod
    def from_parts(cls, parts: Parts, build: Callable[[Parts], StopRule]) -> Committing:
        """The inverse of `parts`; `build` makes the inner rule. Raises `KeyError` where a part is missing."""
        meta: Any = parts.meta
        commits = {
            task: {tier: CommitRule.from_json(values) for tier, values in by_tier.items()}
            for task, by_tier in meta["commits"].items()
        }
        return cls(build(unwrapped(parts)), tuple(meta["tiers"]), commits)


def committed(rule: StopRule, tiers: tuple[str, ...], task: str, commits: Mapping[str, CommitRule]) -> StopRule:
    """`rule` with these commit rules of `task`, by tier, and those of other tasks that it had. `tiers`: of the policy.

    Without any it is `rule` without those of the task.
    """
    inner, others = (rule.rule, rule.commits) if isinstance(rule, Committing) else (rule, {})
    every = {**others, task: commits} if commits else {name: its for name, its in others.items() if name != task}
    return Committing(inner, tiers, every) if every else inner


def commit_rule(rule: StopRule, task: str, tier: str) -> CommitRule | None:
    """Of any stop rule; None where it has none, which buffers."""
    return rule.of(task, tier) if isinstance(rule, Committing) else None
