"""What a gateway is to serve by, as the store says it: a read of one row, for looking often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.store.policy_versions import PolicyVersions, policies_root
from routenlp.store.sql.audit_rates import PlannedRate, planned_rates
from routenlp.store.sql.database import open_reader
from routenlp.store.sql.monitoring import open_alarms


@dataclass(frozen=True, slots=True)
class InForce:
    """The folders that decide."""

    revision: int
    """Rises with every change; -1 where the store has no versions."""
    active: Path | None = None
    """None: what the settings name."""
    candidate: Path | None = None
    """On trial beside the active one."""
    share: float = 0.0
    """Of the conversations that the candidate serves; 0: it is in shadow."""
    alarmed: frozenset[str] = frozenset()
    """Tasks with an open alarm: the top tier serves them."""
    audit_rates: Mapping[str, PlannedRate] = field(default_factory=dict)
    """By task, how much is to be audited; none where the worker has planned nothing."""

    @property
    def candidate_version(self) -> str:
        """The candidate's id: its folder's name."""
        return self.candidate.name if self.candidate is not None else ""


NOTHING = InForce(-1)


def in_force(store: Path) -> InForce:
    """As of now. Raises `StoreError` where the store cannot be read; `NOTHING` where there is none yet."""
    if not store.is_file():
        return NOTHING
    root = policies_root(store)
    connection = open_reader(store)
    try:
        pointer = PolicyVersions(store, connection).pointer()
        alarmed, rates = frozenset(open_alarms(connection)), planned_rates(connection)
    finally:
        connection.close()
    active, candidate = (root / name if name is not None else None for name in (pointer.active, pointer.candidate))
    return InForce(pointer.revision, active, candidate, pointer.share, alarmed, rates)
