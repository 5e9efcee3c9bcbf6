"""What the store, and nothing else, says of the pilot: alarms, calibrations, versions, moves, what audits cost."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.drift.recalibration import Trigger
from routenlp.replay.report.changes import By, Changes, History, changes
from routenlp.store.policy_versions import Move, PolicyVersions, Version
from routenlp.store.sql import monitoring, recalibrations, reported, statements
from routenlp.store.sql.audit_rates import PlannedRate, planned_rates
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt
from routenlp.store.sql.reported import Period, ServedPolicy

EVER = Period(-math.inf, math.inf)
SETTINGS = "settings"
"""Kind of a change that came with settings, such as prices, and with no move on record."""


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
    served: tuple[ServedPolicy, ...] = ()
    """Policies in the traffic."""
    audit_rates: Mapping[str, PlannedRate] = field(default_factory=dict)
    """By task."""

    @property
    def changes(self) -> Changes:
        """Of what served, as `routenlp report` tells them."""
        return changes(History(self.moves, self.versions, self.attempts, self.alarms, self.served), EVER)

    @property
    def by_hand(self) -> list[str]:
        """Every change of a policy, threshold or alarm in which a person had a part, in words."""
        people = [c for c in self.changes.made if c.by is not By.ITSELF and c.evidence.get("kind") != SETTINGS]
        asked = [f"calibration of {a.task} by hand" for a in self.attempts if a.trigger == Trigger.HAND]
        return [f"{c.trigger}: {c.after} in place of {c.before}" for c in people] + asked

    @property
    def by_settings(self) -> int:
        """Changes that came with settings: an operator wrote new prices."""
        return sum(c.evidence.get("kind") == SETTINGS for c in self.changes.made)


def read_evidence(store: Path, connection: sqlite3.Connection) -> StoreEvidence:
    """All of it."""
    versions = PolicyVersions(store, connection)
    every = versions.all()
    return StoreEvidence(
        tuple(monitoring.every_alarm(connection)),
        tuple(recalibrations.attempts(connection)),
        tuple(every),
        tuple(versions.every_move()),
        {(task, kind): nanos / 1e9 for task, kind, _, nanos in connection.execute(statements.AUDIT_SPEND)},
        {(task, state): n for task, state, n in connection.execute(statements.AUDIT_STATES)},
        int(connection.execute(statements.ALL_TRACES).fetchone()[0]),
        tuple(reported.policies_served(connection)),
        planned_rates(connection),
    )
