"""Feedback from outside the gateway: checked against the record, stored in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.errors import MissingData
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.database import transaction
from routenlp.store.sql.records import FeedbackRecord
from routenlp.store.sql.rows import rows_of


@dataclass(frozen=True, slots=True)
class Added:
    """What became of it."""

    stored: int
    known: int
    """Said before, word for word: stored once."""


def add_feedback(connection: sqlite3.Connection, said: Sequence[FeedbackRecord], policy: ContentPolicy) -> Added:
    """Stores all of it or nothing; redacted by `policy`.

    Raises `MissingData` for the first id that no trace has: of an answer that is not on record nothing can be learned.
    """
    stored = 0
    with transaction(connection):
        for record in said:
            if connection.execute(statements.TRACE, (record.about, record.about)).fetchone() is None:
                raise MissingData(
                    f"feedback on {record.about!r}", "is of no trace on record", "Give a completion's or a trace's id."
                )
            for table, row in rows_of(record, policy):
                stored += connection.execute(statements.INSERTS[table][1], row).rowcount
    return Added(stored, len(said) - stored)
