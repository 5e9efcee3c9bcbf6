"""`routenlp recalibrate`, and `routenlp calibrate`, which is the same for the first time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from routenlp.cli.policy_words import streams_words
from routenlp.cli.screen import open_console, show_lines, write_json
from routenlp.cli.serve import settings_file
from routenlp.errors import MissingData, SettingsError
from routenlp.settings import Settings, load
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql.database import locate, mapped, open_store
from routenlp.store.sql.recalibrations import Attempt
from routenlp.worker.recalibration import Recalibrator


@contextmanager
def recalibrator(settings: Settings, store: Path) -> Iterator[Recalibrator]:
    """On this store, with a connection of its own."""
    connection = open_store(store)
    try:
        yield Recalibrator(settings, store, PolicyVersions(store, connection), connection, time.time)
    finally:
        connection.close()


def run(
    given: Path | None, environ: Mapping[str, str], task: str | None, json_target: str | None, *, dry_run: bool
) -> None:
    """One task, or all that the policy serves. Exits with 1 where one of them could not be proved."""
    settings = load(settings_file(given), environ, default="")
    if settings.store is None:
        raise SettingsError("store", "is not given, and audits are in it", "Give store.url.")
    store = locate(settings.store.url)
    with mapped(store), recalibrator(settings, store) as again:
        now = again.in_force()
        if now is None:
            raise MissingData("policy", "is not there: nothing was trained", "Run `routenlp train`, or name a folder.")
        tasks = [task] if task is not None else sorted(now.policy.tasks)
        attempts = again.by_hand(tasks, dry_run=dry_run)
    lines = [line for attempt in attempts for line in attempt_words(attempt)]
    said = ["Nothing was changed: this is what would be done."] if dry_run else []
    show_lines(open_console(stderr=json_target == "-"), ["", *lines, *said, ""])
    if json_target is not None:
        write_json({"dry_run": dry_run, "attempts": [asdict(attempt) for attempt in attempts]}, json_target)
    if any(attempt.result != "active" for attempt in attempts):
        sys.exit(1)


def attempt_words(attempt: Attempt) -> list[str]:
    """What came of it, and what is needed next."""
    found = attempt.evidence
    tasks = ", ".join(found.get("tasks", [attempt.task]))
    if attempt.result == "refused":
        return [f"{tasks}: not calibrated. {found['reason']}"]
    if attempt.result != "active":
        return [f"{tasks}: {attempt.result}. {found['reason']} {_needed(found)} What served goes on."]
    cost = found["cost_ratio"]
    price = "" if cost is None else f" It costs {cost:.3f} of the top tier alone, on these audits."
    served = "would serve" if attempt.version is None else f"serves as policy {attempt.version}"
    return [
        f"{tasks}: {found['status']} on {found['n']:,} audits, by {found['method']} at delta "
        f"{found['level']:.4f}; policy {found['step']} of {found['policies']} {served}.{price}",
        *streams_words(found),
    ]


def _needed(found: Mapping[str, object]) -> str:
    needed = found.get("labels_needed")
    if needed is None:
        return "On these audits no cheaper policy holds the target, so no number of labels would help."
    return f"About {needed:,} more labels are needed."
