"""One candidate's way: gate, shadow, canary, each as a turn would run it, on rows that come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routenlp.loop import canary, gate, shadow
from routenlp.loop.canary import Decision
from routenlp.loop.compared import Compared
from routenlp.loop.coverage import Promise
from routenlp.loop.shadow import ShadowDecision, Shadowed
from routenlp.types import FloatArray

LOOK_EVERY = 25
"""Audits between two looks of the canary."""
SHADOW_AUDITS = 50


class End(StrEnum):
    """Where a candidate's way ended."""

    GATE = "rejected at the gate"
    SHADOW = "rejected in shadow"
    CANARY = "rolled back in canary"
    PROMOTED = "promoted"


@dataclass(frozen=True, slots=True)
class Trial:
    """How one candidate was judged."""

    bar: gate.Bar
    level: float
    plan: canary.Plan
    promises: Mapping[str, Promise] = field(default_factory=dict)
    handled_at: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it."""

    end: End
    audits: int
    """That the canary took."""
    harmed_at_most: float
    """Of the conversations, the largest share that the candidate ever served."""
    reason: str


def run_trial(trial: Trial, gate_rows: Compared, audits: Callable[[int], Compared], *, seed: int) -> Outcome:
    """`audits(n)`: the first n audits since the candidate was made."""
    verdict = gate.judge([gate_rows], trial.bar, level=trial.level, seed=seed)
    if not verdict.passed:
        return Outcome(End.GATE, 0, 0.0, verdict.reasons[0])
    first = audits(SHADOW_AUDITS)
    seen = shadow.judge(
        _shadowed(first),
        [first],
        trial.promises,
        shadow.ShadowPlan(queries=SHADOW_AUDITS),
        handled_at={first.task: trial.handled_at},
    )
    if seen.decision is ShadowDecision.REJECT:
        return Outcome(End.SHADOW, 0, 0.0, seen.reasons[0])
    return _run_canary(trial, gate_rows, len(verdict.segments), audits)


def _run_canary(trial: Trial, gate_rows: Compared, segments: int, audits: Callable[[int], Compared]) -> Outcome:
    plan, stage, n, share = trial.plan, 0, 0, trial.plan.shares[0]
    while True:
        n += LOOK_EVERY
        found = canary.judge([audits(n)], plan, stage=stage, segments=segments, gate=[gate_rows])
        if found.decision is Decision.ROLL_BACK:
            return Outcome(End.CANARY, n, share, found.reason)
        if found.decision is Decision.PROMOTE:
            return Outcome(End.PROMOTED, n, share, found.reason)
        if found.decision is Decision.ADVANCE:
            stage += 1
            share = plan.shares[stage]


def _shadowed(rows: Compared) -> list[Shadowed]:
    def told(usd: FloatArray, i: int) -> float:
        return float(usd[i])

    return [
        Shadowed(
            rows.task,
            "served",
            told(rows.current_usd, i),
            "candidate" if rows.cheap[i] else "top",
            told(rows.candidate_usd, i),
            None,
            not bool(rows.cheap[i]),
        )
        for i in range(rows.n)
    ]
