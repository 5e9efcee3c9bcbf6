"""What was served and said, read back for a turn: each request with its steps and every tier's answer to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.store.sql import statements
from routenlp.store.sql.money import usd_of
from routenlp.store.sql.records import StepRecord


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered, and whose content was kept."""

    id: str
    at_s: float
    task: str
    policy: str
    tier: str
    """Whose answer was returned."""
    steps: tuple[StepRecord, ...]
    answers: Mapping[str, str]
    """By tier."""
    messages: list[Any]
    """As they were stored: redacted where the settings say so."""
    metadata: Mapping[str, str]
    """What tiers read of it, such as `schema`."""
    redacted: bool
    """Something was taken out: the text is not what the tiers read."""
    top_cost_usd: float | None


def served_since(connection: sqlite3.Connection, since_s: float) -> Iterator[Served]:
    """In order of time."""
    for id_, at_s, task, policy, tier, detail, top, body in connection.execute(statements.SERVED_SINCE, (since_s,)):
        kept = msgspec.json.decode(body)
        request = kept.get("request")
        if not isinstance(request, dict):
            continue  # of a store older than that
        steps = msgspec.convert(msgspec.json.decode(detail)["steps"], tuple[StepRecord, ...])
        yield Served(
            id_,
            at_s,
            task,
            policy,
            tier,
            steps,
            kept.get("answers", {}),
            request.get("messages") or [],
            request.get("metadata") or {},
            bool(kept.get("redacted")),
            None if top is None else usd_of(top),
        )
