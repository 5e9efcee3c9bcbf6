"""`routenlp recalibrate`, and `routenlp calibrate`, which is the same for the first time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from routenlp.cli.screen import open_console, show_lines, write_json
from routenlp.cli.serve import settings_file
from routenlp.drift.recalibration import Trigger
from routenlp.errors import MissingData, SettingsError
from routenlp.settings import Settings, load
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql.database import locate, mapped, open_store
from routenlp.store.sql.recalibrations import Attempt
from routenlp.worker.recalibration import Reason, Recalibrator


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
        attempts = [again.attempt(Reason(name, Trigger.HAND), dry_run=dry_run) for name in tasks]
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
    if attempt.result == "refused":
        return [f"{attempt.task}: not calibrated. {found['reason']}"]
    if attempt.result != "active":
        return [f"{attempt.task}: {attempt.result}. {found['reason']} {_needed(found)} What served goes on."]
    cost = found["cost_ratio"]
    price = "" if cost is None else f" It costs {cost:.3f} of the top tier alone, on these audits."
    served = "would serve" if attempt.version is None else f"serves as policy {attempt.version}"
    return [
        f"{attempt.task}: {found['status']} on {found['n']:,} audits, by {found['method']} at delta "
        f"{found['level']:.4f}; policy {found['step']} of {found['policies']} {served}.{price}"
    ]


def _needed(found: Mapping[str, object]) -> str:
    needed = found.get("labels_needed")
    if needed is None:
        return "On these audits no cheaper policy holds the target, so no number of labels would help."
    return f"About {needed:,} more labels are needed."
