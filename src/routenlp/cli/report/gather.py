"""Reads what a report is made of: the store as of one moment, and what the settings say of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from routenlp import wiring
from routenlp.cli.compare import to_compare
from routenlp.cli.promises import Told, promises
from routenlp.replay.report.changes import History
from routenlp.replay.report.figures import Records, Turns
from routenlp.replay.report.quality import Promise
from routenlp.replay.wanted import Wanted
from routenlp.settings import Settings
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import reported
from routenlp.store.sql.database import mapped, open_reader
from routenlp.store.sql.monitoring import every_alarm
from routenlp.store.sql.pairs import reported_pairs
from routenlp.store.sql.recalibrations import attempts
from routenlp.store.sql.reported import Period, ReportedAudit
from routenlp.worker.turn.journal import Stage, journals


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read."""

    store: Path
    settings: Settings | None
    records: Records
    standing: list[Told] | None
    """As of now; None where no settings were read."""
    open_alarms: tuple[str, ...]
    """Tasks, as of now."""


def gather(store: Path, settings: Settings | None, period: Period, now_s: float) -> Gathered:
    """Raises `StoreError`, and what reading a policy raises. Writes nothing."""
    connection = open_reader(store)
    try:
        with mapped(store):
            connection.execute("BEGIN")  # one moment, whatever a gateway writes meanwhile
            told = promises(connection, settings, now_s) if settings is not None else None
            records = _records(connection, store, settings, period, _promised(settings, told))
            opened = tuple(alarm.task for alarm in records.history.alarms if alarm.cleared_s is None)
            connection.execute("COMMIT")
    finally:
        connection.close()
    if told is not None and period.task is not None:
        told = [one for one in told if one[0].task == period.task]
    return Gathered(store, settings, records, told, opened)


def _records(
    connection: sqlite3.Connection,
    store: Path,
    settings: Settings | None,
    period: Period,
    promised: Mapping[str, Promise] | None,
) -> Records:
    audits = reported.reported_audits(connection, period)
    return Records(
        period,
        reported.traffic(connection, period),
        audits if settings is None else [_beside_top(audit, settings) for audit in audits],
        reported.audit_spend(connection, period),
        reported.kept(connection, period),
        _history(connection, store),
        _turns(store, period),
        promised,
        reported_pairs(connection, period),
        None if settings is None else to_compare(settings),
    )


def _beside_top(audit: ReportedAudit, settings: Settings) -> ReportedAudit:
    """Under `audit.tiers` an audit may lack the task's last tier: then it compares with nothing."""
    same = audit.top == settings.top_of(audit.task)
    return audit if same else replace(audit, top_usd=None, qualities={})


def _history(connection: sqlite3.Connection, store: Path) -> History:
    versions = PolicyVersions(store, connection)
    served = reported.policies_served(connection)
    return History(versions.every_move(), versions.all(), attempts(connection), every_alarm(connection), served)


def _turns(store: Path, period: Period) -> Turns:
    """Of the period."""
    found: list[float | None] = []
    for journal in journals(store):
        if not journal.has(Stage.PLAN):
            found.append(None)
            continue
        plan = journal.read(Stage.PLAN)
        if period.since_s <= plan["at_s"] < period.until_s:
            found.append(float(plan["outlay"]["usd"]))
    known = [usd for usd in found if usd is not None]
    return Turns(len(found), sum(known) if len(known) == len(found) else None)


def _promised(settings: Settings | None, told: list[Told] | None) -> Mapping[str, Promise] | None:
    if settings is None or told is None:
        return None
    wanted = wiring.wanted(settings, Wanted())
    return {
        one.task: Promise(one.guarantee, one.target, wanted.of(one.task).target.handled_at)
        for one in (standing for standing, _ in told)
    }
