"""The real worker on simulated time: audits, grades, the watch over quality, and calibration.

People's labels come as they would in a file: at once for tasks that people grade, once a day for the part of the judged
task's audits that was drawn for gold. Nothing here decides anything: it calls what `routenlp worker` calls.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.bench.pilot.judge import MODEL
from routenlp.bench.pilot.system import JUDGED_TASKS
from routenlp.bench.pilot.tiers import JUDGE, PilotTiers
from routenlp.settings import Settings
from routenlp.store.content import ContentPolicy
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import audits, statements
from routenlp.store.sql.database import open_store
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt
from routenlp.worker import labels
from routenlp.worker.audit_rates import AuditRates
from routenlp.worker.audits import AuditRunner
from routenlp.worker.grading import Grader, Judge
from routenlp.worker.monitor import Monitor
from routenlp.worker.promised import Promises
from routenlp.worker.recalibration import Recalibrator

ALL = 1_000_000
BATCH = 500
GOLD_SHARE = 0.25
"""Of the judged task's audits, that people grade too."""
_NAME = "pilot"


@dataclass(slots=True)
class Clock:
    """Simulated: seconds since 1970, moved by whoever drives the pilot."""

    now_s: float

    def __call__(self) -> float:
        """As of now."""
        return self.now_s


def open_fast(path: Path) -> sqlite3.Connection:
    """The store without waiting for the disk: a simulation need not survive a loss of power."""
    connection = open_store(path)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


@dataclass(frozen=True, slots=True)
class Worked:
    """One round."""

    alarms: tuple[Alarm, ...] = ()
    attempts: tuple[Attempt, ...] = ()


@dataclass(slots=True, eq=False)
class Crew:
    """`connection`: its own, to the store of the settings."""

    settings: Settings
    store: Path
    tiers: PilotTiers
    connection: sqlite3.Connection
    clock: Clock
    labels_given: int = 0
    """References that people gave."""
    _runner: AuditRunner = field(init=False)
    _grader: Grader = field(init=False)
    _monitor: Monitor = field(init=False)
    _again: Recalibrator = field(init=False)
    _rates: AuditRates = field(init=False)

    def __post_init__(self) -> None:
        self.reload(self.settings)

    def reload(self, settings: Settings) -> None:
        """With other settings, such as prices."""
        self.settings = settings
        budget, metrics = settings.audit.max_usd_per_day, self._metrics()
        content = ContentPolicy(settings.content.store, settings.content.retain_days, settings.content.redact)
        shared = self.connection, self.tiers
        models = {tier.name: tier.model or tier.name for tier in settings.portfolio}
        judge = Judge(JUDGE, MODEL)
        self._runner = AuditRunner(*shared, self._allowed, content, budget, self.clock, _NAME)
        self._grader = Grader(*shared, metrics, models, self._allowed_to_judge, judge, budget, self.clock, _NAME)
        versions = PolicyVersions(self.store, self.connection)
        self._again = Recalibrator(settings, self.store, versions, self.connection, self.clock)
        self._rates = AuditRates(self.connection, settings, self.clock)
        self._monitor = Monitor(self.connection, Promises(settings), self.clock, self._again.in_force)

    def round(self) -> Worked:
        """All that can be done now. Raises `sqlite3.OperationalError` where the store cannot be written."""
        self._rates.look()
        asyncio.run(self._runner.run(ALL))
        self._label()
        while (graded := asyncio.run(self._grader.run(BATCH))).by_metric or graded.by_judge:
            pass
        alarms: list[Alarm] = []
        while (looked := self._monitor.run(BATCH)).watched or looked.kept or looked.idle:
            alarms += looked.alarms
        return Worked(tuple(alarms), tuple(self._again.look()))

    def label_drawn(self) -> None:
        """People grade the part of the judged audits that is drawn for gold: once a day."""
        for task in sorted(JUDGED_TASKS & set(self.settings.tasks)):
            count = self.connection.execute(statements.ANSWERED_AUDITS, (task,)).fetchone()[0]
            lines = labels.export(self.connection, task, round(GOLD_SHARE * count))
            self._import([json.loads(line)["id"] for line in lines], judged=True)

    def _label(self) -> None:
        """People grade what no judge grades."""
        names = [
            name for name, task in self.connection.execute(statements.UNLABELLED_AUDITS) if task not in JUDGED_TASKS
        ]
        self._import(names, judged=False)

    def _import(self, names: list[str], *, judged: bool) -> None:
        content = ContentPolicy("all", redact=())
        done = labels.import_labels(
            self.connection,
            list(self._lines(names)),
            self._metrics(),
            content,
            grader="people",
            now_s=self.clock(),
            judged=judged,
        )
        self.labels_given += done.references

    def _lines(self, names: list[str]) -> Iterator[tuple[str, str]]:
        for name in names:
            audit = audits.read_audit(self.connection, name)
            if audit.request is not None:
                item = self.tiers.item_of(audit.request)
                reference = self.tiers.book.catalogue.items[item].example.reference
                yield name, json.dumps({"id": name, "reference": reference})

    def _metrics(self) -> dict[str, str]:
        return {name: task.metric for name, task in self.settings.tasks.items()}

    def _allowed(self, task: str) -> tuple[str, ...]:
        served = self.tiers.front.side_now.tasks.get(task)
        return served.tiers if served is not None else ()

    def _allowed_to_judge(self, task: str) -> tuple[str, ...]:
        return (*self._allowed(task), *((JUDGE,) if task in JUDGED_TASKS else ()))
