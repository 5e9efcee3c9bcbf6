"""What is asked of each task: its target, the proof without which no cheap tier serves it, its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one task."""

    target: Target = field(default_factory=Target)
    serve_when: Status = Status.ASYMPTOTIC
    """The weakest status under which cheap tiers may serve; with less the top tier does."""
    sla_s: float | None = None
    """From the query's arrival to the answer; None: no limit."""


@dataclass(frozen=True, slots=True)
class WantedOfTasks:
    """Of every task."""

    default: Wanted = field(default_factory=Wanted)
    """Of a task that is not named."""
    of_task: Mapping[str, Wanted] = field(default_factory=dict)
    family_delta: float | None = None
    """One delta that all tasks share, in place of one for each; None: each has its own."""

    def of(self, task: str) -> Wanted:
        """The task's own, else the default."""
        return self.of_task.get(task, self.default)
