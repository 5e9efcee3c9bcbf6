"""Requests whose caller said which task they are of, with what they said: what a task classifier learns from."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.draws import draw
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
        if (everything or draw("thin", trace_id) < lowest / chance) and (messages := _messages(body))
    ]


def _messages(body: str) -> list[Any]:
    request = msgspec.json.decode(body)["request"]
    found = request.get("messages", []) if isinstance(request, dict) else request  # a list in older stores
    return found if isinstance(found, list) else []
