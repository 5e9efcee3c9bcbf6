"""Requests whose caller said which task they are of, with what they said: what a task classifier learns from."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.store.sql import statements


@dataclass(frozen=True, slots=True)
class TaggedContent:
    """One request."""

    trace_id: str
    task: str
    key_id: str
    messages: list[Any]
    """As they were stored: redacted."""


def tagged_content(connection: sqlite3.Connection) -> list[TaggedContent]:
    """All such requests whose content is there, the oldest first.

    Where only audits were kept, tasks were kept at different rates. Those of the higher rates are then thinned, by a
    hash of their ids, to the lowest: the mix of tasks is that of the traffic.
    """
    found = connection.execute(statements.TAGGED_CONTENT).fetchall()
    lowest = min((chance for *_, audited, chance, _ in found if audited), default=1.0)
    everything = any(not audited for *_, audited, _, _ in found)
    return [
        TaggedContent(trace_id, task, key_id or "", messages)
        for trace_id, task, key_id, _, chance, body in found
        if (everything or _fraction(trace_id) < lowest / chance) and (messages := _messages(body))
    ]


def _messages(body: str) -> list[Any]:
    request = msgspec.json.decode(body)["request"]
    found = request.get("messages", []) if isinstance(request, dict) else request  # a list in older stores
    return found if isinstance(found, list) else []


def _fraction(trace_id: str) -> float:
    """In [0, 1), and unlike the draw that made it an audit."""
    return float(int.from_bytes(hashlib.sha256(b"thin\0" + trace_id.encode()).digest()[:8]) >> 11) / 2.0**53
