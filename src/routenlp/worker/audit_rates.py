"""Plans how much of each task is audited: once a day, by its own requests, on record for the gateway to draw by; and
round by round after an alarm, until enough audits are graded.

The draw itself stays the gateway's: random, before routing, with its chance on record. A plan is made of what came
before, never of what a request says, so every chance is known beforehand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from routenlp.drift.audit_rate import Asked, Why, planned_rate
from routenlp.settings import Settings
from routenlp.store.sql.audit_rates import PlannedRate, planned_rates, put_planned_rate, requests_a_day
from routenlp.store.sql.money import day_of
from routenlp.store.sql.recalibrations import graded_count, last_alarm_s
from routenlp.worker.promised import Promises

CHANGED = 0.1
"""By which share of itself a rate moves before it is written anew: a gateway reloads at each change."""


@dataclass(slots=True, eq=False)
class AuditRates:
    """Of one worker."""

    connection: sqlite3.Connection
    settings: Settings
    clock: Callable[[], float]
    """Seconds since 1970. A clock that jumps makes a plan too many."""
    _day: int | None = field(default=None, init=False)

    def look(self) -> list[PlannedRate]:
        """What is planned anew: in a day's first round every task, in the others those that had an alarm."""
        now_s = self.clock()
        before = planned_rates(self.connection)
        due = [task for task in sorted(self.settings.tasks) if self._is_due(before.get(task), task, now_s)]
        found = [self._plan(task, now_s) for task in due]
        changed = [new for new in found if _differs(before.get(new.task), new)]
        for new in changed:
            put_planned_rate(self.connection, new)
        self._day = day_of(now_s)
        return changed

    def _is_due(self, before: PlannedRate | None, task: str, now_s: float) -> bool:
        if day_of(now_s) != self._day:
            return True
        alarm_s = last_alarm_s(self.connection, task, now_s)
        planned_s = float("-inf") if before is None else before.at_s
        anew = before is not None and before.planned.why is Why.ANEW
        return anew or (alarm_s is not None and alarm_s > planned_s)

    def _plan(self, task: str, now_s: float) -> PlannedRate:
        promised = Promises(self.settings)(task)
        assert promised is not None, "a task of the settings"
        audit, a_day = self.settings.audit, requests_a_day(self.connection, task, now_s)
        alarm_s = last_alarm_s(self.connection, task, now_s)
        since = None if alarm_s is None else graded_count(self.connection, task, alarm_s)
        asked = Asked(audit.rate, audit.most_rate, audit.alarm_days, audit.bootstrap_rate)
        planned = planned_rate(a_day, promised.target, asked, since_alarm=since)
        return PlannedRate(task, now_s, planned, a_day, graded_count(self.connection, task, 0.0))


def _differs(before: PlannedRate | None, new: PlannedRate) -> bool:
    """Whether it is worth writing. Where requests are not known any more the last plan stands."""
    if before is None:
        return new.requests_a_day is not None or new.planned.rate == 0.0
    if before.seen_enough != new.seen_enough:
        return True
    if new.requests_a_day is None and new.planned.rate > 0.0:
        return False
    moved = abs(new.planned.rate - before.planned.rate) > CHANGED * before.planned.rate
    return moved or before.planned.why != new.planned.why
