"""`routenlp alarms list / clear`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.store_location import StoreChoice, store_location
from routenlp.errors import MissingData
from routenlp.store.sql import monitoring
from routenlp.store.sql.database import mapped, open_reader, open_store
from routenlp.store.sql.monitoring import Alarm


def show(settings: Path | None, environ: Mapping[str, str], json_target: str | None) -> None:
    """Exits with 1 while an alarm is open."""
    store = store_location(StoreChoice(None, settings), environ).path
    connection = open_reader(store)
    try:
        with mapped(store):
            every = monitoring.every_alarm(connection)
    finally:
        connection.close()
    opened = [alarm for alarm in every if alarm.cleared_s is None]
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(opened), ""])
    if every:
        heads = ("task", "raised (UTC)", "policy", "what was promised", "audits seen", "ended (UTC)", "by")
        show_tables(console, [Table("Alarms", heads, tuple(map(_row, every)))])
    if json_target is not None:
        write_json({"alarms": [asdict(alarm) for alarm in every]}, json_target)
    if opened:
        sys.exit(1)


def clear(settings: Path | None, environ: Mapping[str, str], task: str, reason: str) -> None:
    """Raises `MissingData` where no alarm is open."""
    store = store_location(StoreChoice(None, settings), environ).path
    connection = open_store(store)
    try:
        with mapped(store):
            cleared = monitoring.clear_alarm(connection, task, f"by hand: {reason}", now_s=time.time())
    finally:
        connection.close()
    if not cleared:
        raise MissingData(f"alarm of {task!r}", "is not open", "`routenlp alarms list` shows them all.")
    show_lines(open_console(stderr=False), [f"{task} is served by its policy again, within a second."])


def words(opened: list[Alarm]) -> list[str]:
    """What is wrong now, and what to do."""
    if not opened:
        return ["No alarm is open."]
    return [
        *(
            f"{alarm.task}: {_what(alarm)}, since "
            f"{_moment(alarm.raised_s)} UTC. The top tier serves it, and every request is audited."
            for alarm in opened
        ),
        "The worker calibrates it on these audits; another policy in force ends the alarm.",
    ]


def _what(alarm: Alarm) -> str:
    if "why" in alarm.evidence:
        return f"it is not watched ({alarm.evidence['why'].rstrip('.')})"
    return f"quality is under {alarm.evidence['guarantee']} at {alarm.evidence['target']}"


def _row(alarm: Alarm) -> tuple[str, ...]:
    found = alarm.evidence
    ended = "open" if alarm.cleared_s is None else _moment(alarm.cleared_s)
    promise = f"{found['guarantee']} at {found['target']}"
    seen = f"{found['audits_seen']:,}"
    return (alarm.task, _moment(alarm.raised_s), alarm.policy[:12], promise, seen, ended, alarm.cleared_by or "")


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")
