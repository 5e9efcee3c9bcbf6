"""What the store, and nothing else, says of the pilot: alarms, calibrations, versions, moves, what audits cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routenlp.drift.recalibration import Trigger
from routenlp.store.policy_versions import Move, PolicyVersions, Version
from routenlp.store.sql import monitoring, recalibrations, statements
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt

MACHINE = ("recalibration", "turn", "worker")
"""Who may hold the lock of a move that no person made."""


@dataclass(frozen=True, slots=True)
class StoreEvidence:
    """As it stands at the end."""

    alarms: tuple[Alarm, ...]
    attempts: tuple[Attempt, ...]
    versions: tuple[Version, ...]
    moves: tuple[Move, ...]
    spent_usd: Mapping[tuple[str, str], float]
    """On audits, by task and kind: `tier` or `judge`."""
    audits: Mapping[tuple[str, str], int]
    """By task and state."""
    traces: int

    @property
    def by_hand(self) -> list[str]:
        """Every change of a policy, threshold or alarm that a person made, in words."""
        found = [f"calibration of {a.task} by hand" for a in self.attempts if a.trigger == Trigger.HAND]
        found += [f"{m.version[:12]} moved by {m.who}" for m in self.moves if not m.who.startswith(MACHINE)]
        found += [f"alarm of {a.task} cleared by {a.cleared_by}" for a in self.alarms if _cleared_by_hand(a)]
        origins = ("policy.folder", "recalibration of ", "turn ")
        return found + [f"version from {v.origin}" for v in self.versions if not v.origin.startswith(origins)]


def _cleared_by_hand(alarm: Alarm) -> bool:
    by = alarm.cleared_by
    return by is not None and not by.startswith(("calibrated again as policy ", "policy "))


def read_evidence(store: Path, connection: sqlite3.Connection) -> StoreEvidence:
    """All of it."""
    versions = PolicyVersions(store, connection)
    every = versions.all()
    return StoreEvidence(
        tuple(monitoring.every_alarm(connection)),
        tuple(recalibrations.attempts(connection)),
        tuple(every),
        tuple(move for version in every for move in versions.moves(version.id)),
        {(task, kind): nanos / 1e9 for task, kind, _, nanos in connection.execute(statements.AUDIT_SPEND)},
        {(task, state): n for task, state, n in connection.execute(statements.AUDIT_STATES)},
        int(connection.execute(statements.ALL_TRACES).fetchone()[0]),
    )
