"""Reads the record back: one trace, and how things stand."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.store.sql import statements
from routenlp.store.sql.money import usd_of


@dataclass(frozen=True, slots=True)
class Said:
    """One piece of feedback."""

    at_s: float
    kind: str
    value: object
    key_id: str | None


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace as it lies in the store; `detail` and `content` are JSON values."""

    id: str
    at_s: float
    completion_id: str | None
    task: str
    key_id: str | None
    policy: str
    status: str
    outcome: str
    first_tier: str
    tier: str | None
    cost_usd: float
    top_cost_usd: float | None
    latency_s: float
    overhead_s: float | None
    audited: bool
    audit_propensity: float | None
    task_source: str | None
    """`tagged`, `classified` or `default`; None in traces of stores older than that."""
    detail: dict[str, Any]
    """steps, reason, route_reason, estimates, propensities, features_hash."""
    content: dict[str, Any] | None
    """None where nothing was stored, or it was deleted since."""
    feedback: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class TierShare:
    """Requests of one task that one tier answered."""

    task: str
    tier: str | None
    """None: no answer."""
    requests: int
    ok: int
    escalated: int
    """Of them, how many asked more than one tier."""
    cost_usd: float
    compared_cost_usd: float | None
    """Cost of those for which it is known what the top tier alone would have cost; None where it is of none."""
    top_cost_usd: float | None
    """What the top tier alone would have cost for those, as estimated."""
    audited: int


@dataclass(frozen=True, slots=True)
class TaskState:
    """The task's last request."""

    task: str
    status: str
    policy: str
    at_s: float


@dataclass(frozen=True, slots=True)
class KeySpend:
    """Of one key; the id is None for requests without one."""

    key_id: str | None
    charges: int
    usd: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand since a moment."""

    shares: tuple[TierShare, ...]
    tasks: tuple[TaskState, ...]
    spend: tuple[KeySpend, ...]
    """Whole days of UTC, from the one that holds the moment on."""
    feedback: tuple[tuple[str, int], ...]
    """By kind."""
    dropped: int
    """Records that could not be stored, so that the figures above lack them."""
    dropped_audits: int


def read_trace(connection: sqlite3.Connection, name: str) -> StoredTrace | None:
    """The trace with this id, or that of the completion with this id; None where there is none."""
    row = connection.execute(statements.TRACE, (name, name)).fetchone()
    if row is None:
        return None
    found = dict(zip(statements.TRACE_COLUMNS, row, strict=True))
    content = connection.execute(statements.CONTENT_OF, (found["id"],)).fetchone()
    about = (found["id"], found["completion_id"] or found["id"])
    said = connection.execute(statements.FEEDBACK_ABOUT, about).fetchall()
    return StoredTrace(
        **{name: found[name] for name in ("id", "at_s", "completion_id", "task", "key_id", "policy", "status")},
        **{name: found[name] for name in ("outcome", "first_tier", "tier", "latency_s", "overhead_s")},
        cost_usd=usd_of(found["cost_nanos"]),
        top_cost_usd=_usd_or_none(found["top_cost_nanos"]),
        audited=bool(found["audited"]),
        audit_propensity=found["audit_propensity"],
        task_source=found["task_source"],
        detail=msgspec.json.decode(found["detail"]),
        content=None if content is None else msgspec.json.decode(content[0]),
        feedback=tuple(Said(at_s, kind, msgspec.json.decode(value), key) for at_s, kind, value, key in said),
    )


def read_standing(connection: sqlite3.Connection, since_s: float, since_day: int) -> Standing:
    """Figures of all traces since `since_s`, and of spend since the day `since_day`."""
    shares = connection.execute(statements.REQUESTS_SINCE, (since_s,)).fetchall()
    dropped = connection.execute(statements.DROPPED_SINCE, (since_s,)).fetchone()
    return Standing(
        tuple(_share(*row) for row in shares),
        tuple(TaskState(*row) for row in connection.execute(statements.LATEST_STATUS, (since_s,))),
        tuple(
            KeySpend(key_id or None, charges, usd_of(amount))
            for key_id, charges, amount in connection.execute(statements.SPEND_BY_KEY, (since_day,))
        ),
        tuple(connection.execute(statements.FEEDBACK_SINCE, (since_s,)).fetchall()),
        *dropped,
    )


def _share(
    task: str, tier: str | None, requests: int, ok: int, escalated: int, cost: int, *more: int | None
) -> TierShare:
    compared, top, audited = more
    return TierShare(
        task,
        tier,
        requests,
        ok,
        escalated,
        usd_of(cost),
        _usd_or_none(compared),
        _usd_or_none(top),
        audited or 0,
    )


def _usd_or_none(amount: int | None) -> float | None:
    return None if amount is None else usd_of(amount)
