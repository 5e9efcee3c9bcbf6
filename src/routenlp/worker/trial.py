"""Looks at the candidate on trial, and moves it: on to the canary, to the next share, to active, or back.

    shadow ─ enough live queries seen, certificates not contradicted ─▶ canary 5% ─▶ 25% ─▶ 100% ─▶ active
       └──────────── fails, or a certificate is contradicted ─▶ rejected ◀── harm, or never proved ──┘

On a task that the gate did not compare, both policies do the same. While one of these has an open alarm the candidate
waits: it has the certificate that the alarm is about.

Each look reads the audits since the trial began and decides by them alone (`loop.shadow`, `loop.canary`), so nothing
is lost when a worker dies, and two workers decide the same. A move takes the store's lock; where a turn or a person has
it, the next look makes the move, but for a roll-back, which is tried again at once.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routenlp.conformal.verdict import Status
from routenlp.errors import LockHeld
from routenlp.loop import canary, shadow
from routenlp.loop.canary import Decision, Plan
from routenlp.loop.compared import Compared, from_evidence, no_rows
from routenlp.loop.coverage import Promise
from routenlp.loop.kept_promises import ServedAudits
from routenlp.loop.lifecycle import State
from routenlp.loop.shadow import ShadowDecision, ShadowPlan
from routenlp.store.policy_versions import Move, Pointer, PolicyVersions, Version
from routenlp.store.sql import monitoring
from routenlp.store.sql.audits import answered_since
from routenlp.store.turn_lock import hold
from routenlp.worker.trial_rows import AuditComparer

ROLL_BACK_TRIES = 20
_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found."""

    version: str
    state: State
    """After it."""
    share: float
    decision: str
    reason: str
    moved: bool
    audits: int
    left_out: int
    """Audits that could not be compared."""
    set_aside: int
    """Audits that people have not graded, of tasks that are compared on those that they have."""
    graded_by: Mapping[str, Mapping[str, int]]
    """By task, how many of the audits were graded by whom."""


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Of one worker. Not for two threads."""

    store: Path
    versions: PolicyVersions
    connection: sqlite3.Connection
    """To the same store."""
    comparer: Callable[[Pointer], AuditComparer]
    """For these two policies; best remembered as long as they stay."""
    handled_at: Mapping[str, float]
    """By task."""
    clock: Callable[[], float]
    shadow_plan: ShadowPlan = field(default_factory=ShadowPlan)
    plan: Plan = field(default_factory=Plan)

    def look(self) -> Looked | None:
        """One look; None where nothing is on trial."""
        pointer = self.versions.pointer()
        if pointer.candidate is None:
            return None
        version = self.versions.find(pointer.candidate)
        moves = self.versions.moves(version.id)
        comparer = self.comparer(pointer)
        gate = _gate_rows(moves)
        alarmed = self._alarmed(version, gate)
        rows = comparer.rows(self.connection, _entered_s(moves, State.SHADOW))
        if version.state is State.SHADOW:
            return self._shadow(version, rows, alarmed, comparer)
        served = set(answered_since(self.connection, _entered_s(moves, State.CANARY)))
        in_shadow = sum(name not in served for its in rows for name in its.ids)
        if comparer.segment_of is None:
            # A suspicion that no audit could clear or confirm would hold the candidate for ever.
            gate = tuple(task.unsegmented() for task in gate)
        return self._canary(version, pointer, rows, gate, alarmed, in_shadow, comparer)

    def _alarmed(self, version: Version, gate: tuple[Compared, ...]) -> str:
        """Which task's alarm the candidate waits for, in words; empty: none's."""
        changed = {rows.task for rows in gate}
        for task in sorted(monitoring.open_alarms(self.connection)) if changed else ():
            if task not in changed and version.summary["tasks"].get(task, {}).get("certificate") is not None:
                return f"Task {task} has an open alarm, and would go on with the same certificate: until that is over."
        return ""

    def _shadow(self, version: Version, rows: tuple[Compared, ...], alarmed: str, comparer: AuditComparer) -> Looked:
        found = shadow.judge(
            self.versions.shadowed(version.id),
            rows,
            promises_of(version, self.handled_at),
            self.shadow_plan,
            handled_at={row.task: self.handled_at.get(row.task, 1.0) for row in rows},
        )
        if found.decision is ShadowDecision.PASS and alarmed:
            return self._looked(str(ShadowDecision.WAIT), alarmed, version, False, rows, comparer)
        to = {ShadowDecision.PASS: State.CANARY, ShadowDecision.REJECT: State.REJECTED}.get(found.decision)
        moved = to is not None and self._move(version, to, found.evidence() | _graders(comparer))
        return self._looked(str(found.decision), " ".join(found.reasons), version, moved, rows, comparer)

    def _canary(
        self,
        version: Version,
        pointer: Pointer,
        rows: tuple[Compared, ...],
        gate: tuple[Compared, ...],
        alarmed: str,
        in_shadow: int,
        comparer: AuditComparer,
    ) -> Looked:
        stage = next(i for i, share in enumerate(self.plan.shares) if share >= pointer.share)
        segments = sum(len(row.named_segments) for row in gate)
        served = self._served(version, comparer)
        found = canary.judge(
            rows, self.plan, stage=stage, segments=segments, gate=gate, in_shadow=in_shadow, served=served
        )
        if found.decision in (Decision.ADVANCE, Decision.PROMOTE) and alarmed:
            return self._looked(str(Decision.WAIT), alarmed, version, False, rows, comparer)
        if found.decision is Decision.WAIT:
            moved = False
        elif found.decision is Decision.ADVANCE:
            evidence, share = found.evidence() | _graders(comparer), found.share
            moved = self._held(lambda held: self.versions.set_share(held, share, evidence, now_s=self.clock()))
        else:
            to = State.ACTIVE if found.decision is Decision.PROMOTE else State.REJECTED
            moved = self._move(version, to, found.evidence() | _graders(comparer))
        return self._looked(str(found.decision), found.reason, version, moved, rows, comparer)

    def _served(self, version: Version, comparer: AuditComparer) -> tuple[ServedAudits, ...]:
        """What the detectors would have seen of the candidate, were it in force."""
        policy = comparer.candidate.policy.version
        return tuple(
            ServedAudits(task, promise, monitoring.watched_of(self.connection, task, policy))
            for task, promise in sorted(promises_of(version, self.handled_at).items())
        )

    def _move(self, version: Version, to: State, evidence: Mapping[str, Any]) -> bool:
        """Whether the move was made; harm is not left to the next look."""
        share = self.plan.shares[0] if to is State.CANARY else 0.0

        def make(held: Any) -> object:
            return self.versions.move(held, version.id, to, evidence, now_s=self.clock(), share=share)

        tries = ROLL_BACK_TRIES if to is State.REJECTED else 1
        for left in reversed(range(tries)):
            if self._held(make):
                return True
            if left:
                time.sleep(_AGAIN_S)
        return False

    def _held(self, make: Callable[[Any], object]) -> bool:
        try:
            with hold(self.store, "worker, judging a trial", self.clock()) as held:
                make(held)
        except LockHeld:
            return False
        return True

    def _looked(
        self,
        decision: str,
        reason: str,
        version: Version,
        moved: bool,
        rows: tuple[Compared, ...],
        comparer: AuditComparer,
    ) -> Looked:
        pointer, now = self.versions.pointer(), self.versions.find(version.id)
        share = {pointer.candidate: pointer.share, pointer.active: 1.0}.get(version.id, 0.0)
        audits, graded_by = sum(r.n for r in rows), comparer.graded_by
        left_out, set_aside = comparer.left_out, comparer.set_aside
        return Looked(version.id, now.state, share, decision, reason, moved, audits, left_out, set_aside, graded_by)


def _graders(comparer: AuditComparer) -> dict[str, Any]:
    """JSON values: whose grades a decision rests on."""
    return {"graded_by": {task: dict(counts) for task, counts in comparer.graded_by.items()}}


def _gate_rows(moves: Sequence[Move]) -> tuple[Compared, ...]:
    """Those that the candidate passed the gate on; where they were not kept, its tasks without a row."""
    kept, verdict = (
        next((m.evidence for m in reversed(moves) if m.evidence.get("kind") == kind), None)
        for kind in ("gate rows", "gate")
    )
    if kept is not None:
        return from_evidence(kept)
    return tuple(no_rows(found["task"]) for found in verdict["quality"]) if verdict is not None else ()


def _entered_s(moves: Sequence[Move], state: State) -> float:
    """When the version came into this state."""
    return next(m.at_s for m in reversed(moves) if m.after is state and m.before is not state)


def promises_of(version: Version, handled_at: Mapping[str, float]) -> dict[str, Promise]:
    """By task, what the version's certificates promise, of those that prove anything."""
    found = {}
    for task, state in version.summary["tasks"].items():
        proof = state["certificate"]
        if proof is not None and Status(state["status"]).at_least(Status.ASYMPTOTIC):
            found[task] = Promise(proof["rule"], proof["target"], handled_at.get(task, 1.0))
    return found
