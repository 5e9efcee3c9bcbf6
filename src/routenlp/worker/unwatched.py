"""Certificates that nobody watches any more: without graded audits no detector would see that one broke."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from routenlp.conformal.certificate import Certificate
from routenlp.settings import Settings
from routenlp.store.sql import statements
from routenlp.store.sql.monitoring import Alarm

DAY_S = 86_400.0
FEWEST_REQUESTS = 100
"""Since the last graded audit: a task that nobody asks for needs no watch, and a clock that jumps is no traffic."""


@dataclass(frozen=True, slots=True, eq=False)
class Blindness:
    """Looks for it in one store."""

    connection: sqlite3.Connection
    settings: Settings

    def alarm(self, task: str, certificate: Certificate, policy: str, now_s: float) -> Alarm | None:
        """None while the task is watched, or has been for less than `unwatched_days`."""
        last = self.connection.execute(statements.LAST_GRADED, (task,)).fetchone()[0]
        since_s = max(certificate.issued_at.timestamp(), float(last or 0.0))
        requests, first = self.connection.execute(statements.REQUESTS_OF, (task, since_s)).fetchone()
        if requests < FEWEST_REQUESTS or now_s - float(first) < self.settings.recalibration.unwatched_days * DAY_S:
            return None
        evidence = {
            "kind": "unwatched",
            "guarantee": certificate.rule,
            "target": certificate.target,
            "audits_seen": 0,
            "requests": int(requests),
            "why": f"No audit was graded in {(now_s - float(first)) / DAY_S:.0f} days and {requests:,} requests: "
            f"{self._because()}",
        }
        return Alarm(task, now_s, policy, evidence)

    def _because(self) -> str:
        audit, content = self.settings.audit, self.settings.content
        if audit.max_usd_per_day <= 0.0:
            return "audit.max_usd_per_day is 0."
        if audit.rate <= 0.0:
            return "audit.rate is 0."
        if content.store == "none":
            return "content.store is none, and what is not kept cannot be asked again."
        return "`routenlp status` shows what became of them."
