"""How requests were sampled for audits, and what no audit stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.store.sql.reported import Traffic


@dataclass(frozen=True, slots=True)
class TaskSampling:
    """One task over the period."""

    task: str
    requests: int
    covered: int
    """That might have been drawn, each with a chance on record."""
    least_propensity: float | None
    most_propensity: float | None
    expected: float
    """Audits, by these chances."""
    expected_error: float
    """Standard deviation that chance alone gives their number, at the most."""
    drawn: int
    named: int
    """Not to be drawn: the client named the tier."""
    off: int
    """Not to be drawn: the client asked for no routing."""
    never: int
    """Not to be drawn for other reasons: audits were off, or no content may be kept."""
    escalated: int
    routed: int
    """That the policy chose a tier for."""


def sampling(traffic: Sequence[Traffic]) -> list[TaskSampling]:
    """By task."""
    return [_of_task(task, [t for t in traffic if t.task == task]) for task in sorted({t.task for t in traffic})]


def _of_task(task: str, traffic: Sequence[Traffic]) -> TaskSampling:
    covered = [t for t in traffic if t.covered]
    named, off = (sum(t.requests for t in traffic if t.way == way) for way in ("named", "off"))
    chances = [p for t in covered for p in (t.least_propensity, t.most_propensity) if p is not None]
    expected = math.fsum(t.expected_audits for t in covered)
    requests, reached = sum(t.requests for t in traffic), sum(t.requests for t in covered)
    # Of all chances with this sum, equal ones vary most.
    spread = math.sqrt(expected * max(1.0 - expected / reached, 0.0)) if reached else 0.0
    routed = [t for t in traffic if t.way == "routed"]
    return TaskSampling(
        task,
        requests,
        reached,
        min(chances, default=None),
        max(chances, default=None),
        expected,
        spread,
        sum(t.drawn for t in covered),
        named,
        off,
        requests - reached - named - off,
        sum(t.escalated for t in routed),
        sum(t.requests for t in routed),
    )
