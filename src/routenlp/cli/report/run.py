"""`routenlp report`."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from rich.console import Console

from routenlp.cli.promises import as_json as standing_as_json
from routenlp.cli.report.compose import compose
from routenlp.cli.report.document import Document
from routenlp.cli.report.gather import Gathered, gather
from routenlp.cli.report.html import as_html
from routenlp.cli.report.markdown import as_markdown
from routenlp.cli.report.terminal import show
from routenlp.cli.screen import write_json, write_text
from routenlp.cli.store_location import StoreLocation
from routenlp.errors import MissingData, SettingsError
from routenlp.replay.report.figures import Figures, figures
from routenlp.store.sql.reported import Period

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    since: str | None
    until: str | None
    task: str | None
    html: str | None
    json_target: str | None


def run(place: StoreLocation, asked: Asked) -> None:
    """Raises `SettingsError` for a date that is none, `MissingData` for a task that nobody asked."""
    now_s = time.time()
    period = period_of(asked, now_s)
    read = gather(place.path, place.settings, period, now_s)
    if asked.task is not None and not read.records.traffic:
        raise MissingData(f"task {asked.task!r}", "has no request in this period", "`routenlp status` shows the tasks.")
    found = figures(read.records, seed=place.settings.seed if place.settings is not None else 0)
    document = compose(found, read, now_s)
    if asked.html is not None:
        write_text(as_html(document), asked.html, "--html")
    if asked.json_target is not None:
        write_json(as_json(found, read), asked.json_target)
    if "-" not in (asked.html, asked.json_target):
        _print(document)


def period_of(asked: Asked, now_s: float) -> Period:
    """Whole days of UTC; `until` is the first day that is not in it."""
    since_s = 0.0 if asked.since is None else _midnight_s("--since", asked.since)
    until_s = now_s + 1.0 if asked.until is None else _midnight_s("--until", asked.until)
    if since_s >= until_s:
        raise SettingsError("--since", f"is {asked.since}, not before the end", "Give a day before --until and today.")
    return Period(since_s, until_s, asked.task)


def as_json(found: Figures, read: Gathered) -> dict[str, Any]:
    """Every figure, null where it is unknown; times in seconds since 1970."""
    changes = [{**asdict(change), "by": str(change.by)} for change in found.changes.made]
    return {
        "store": str(read.store),
        **asdict(found),
        "changes": {**asdict(found.changes), "made": changes},
        "promises": None if read.standing is None else standing_as_json(read.standing),
        "open_alarms": list(read.open_alarms),
    }


def _print(document: Document) -> None:
    """Drawn on a terminal; elsewhere as Markdown, which other programs read."""
    console = Console()
    if console.is_terminal:
        show(console, document)
    else:
        sys.stdout.write(as_markdown(document))


def _midnight_s(option: str, text: str) -> float:
    try:
        at = date.fromisoformat(text)
    except ValueError as exc:
        raise SettingsError(option, f"is {text!r}", "Give a day of UTC, such as 2026-01-31.") from exc
    return datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp()
