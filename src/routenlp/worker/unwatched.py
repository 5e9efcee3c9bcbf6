"""Certificates that nobody watches any more: no audit is graded, or too many are missing to see that one broke."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from routenlp.conformal.certificate import Certificate
from routenlp.settings import Settings
from routenlp.store.sql import statements
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.settled import settled
from routenlp.worker.missing import because, missing_words, too_many_to_keep

DAY_S = 86_400.0
FEWEST_REQUESTS = 100
"""Since the last graded audit: a task that nobody asks for needs no watch, and a clock that jumps is no traffic."""


@dataclass(frozen=True, slots=True, eq=False)
class Blindness:
    """Looks for it in one store."""

    connection: sqlite3.Connection
    settings: Settings

    def alarm(self, task: str, certificate: Certificate, policy: str, now_s: float) -> Alarm | None:
        """None where the task is watched, or was not for less than `unwatched_days`, and few audits are missing.

        An alarm that a person cleared is not raised again on what it was raised on.
        """
        cleared = self.connection.execute(statements.LAST_CLEARED, (task, now_s)).fetchone()[0]
        issued_s = certificate.issued_at.timestamp()
        # What comes after now was written by a clock that went back since: it tells nothing of when.
        since_s = max(issued_s if issued_s <= now_s else 0.0, float(cleared or 0.0))
        found = self._missing(task, since_s, now_s) or self._unwatched(task, since_s, now_s)
        if found is None:
            return None
        about = {"guarantee": certificate.rule, "target": certificate.target, "audits_seen": 0}
        return Alarm(task, now_s, policy, {**about, **found})

    def _missing(self, task: str, since_s: float, now_s: float) -> dict[str, Any] | None:
        newest_s = now_s - self.settings.recalibration.unwatched_days * DAY_S
        found = settled(self.connection, task, max(since_s, newest_s))
        if not too_many_to_keep(found, self.settings.audit.most_missing):
            return None
        return {"kind": "missing", "missing": found.missing, "why": missing_words(found, self.settings)}

    def _unwatched(self, task: str, since_s: float, now_s: float) -> dict[str, Any] | None:
        last = self.connection.execute(statements.LAST_GRADED, (task,)).fetchone()[0]
        after = (task, max(since_s, float(last or 0.0)))
        requests, first = self.connection.execute(statements.REQUESTS_OF, after).fetchone()
        if requests < FEWEST_REQUESTS or now_s - float(first) < self.settings.recalibration.unwatched_days * DAY_S:
            return None
        days = (now_s - float(first)) / DAY_S
        reason = because(self.settings) or "`routenlp status` shows what became of them."
        why = f"No audit was graded in {days:.0f} days and {requests:,} requests: {reason}"
        return {"kind": "unwatched", "requests": int(requests), "why": why}
