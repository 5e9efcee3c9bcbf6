"""`routenlp compare export`, `import` and `serve`: people say, blind, which of two answers is better."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from routenlp.cli.label import existing_store, given_settings, numbered_lines, say_address
from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.serve import check_installed
from routenlp.errors import SettingsError
from routenlp.settings import Settings
from routenlp.store.sql.database import mapped, open_store
from routenlp.store.sql.pairs import Pair, Rating
from routenlp.worker.pairs import Drawn, as_line, draw_task, import_verdicts, waiting

WRITES_TEXT = frozenset({"rouge_l", "judge", "none"})
"""Metrics of tasks whose answers are texts: those that people are asked to compare where no task is named."""


def run_export(
    settings: Path | None, environ: Mapping[str, str], out: Path, rater: str, task: str | None, most: int
) -> None:
    """Writes the pairs that `rater` has not compared yet; refuses to overwrite."""
    if out.exists():
        raise SettingsError("routenlp compare export", f"{str(out)!r} exists already", "Name a new file.")
    given = given_settings(settings, environ)
    check_rater(rater, given)
    store = existing_store(given)
    connection = open_store(store)
    try:
        with mapped(store):
            drawn = _drawn(connection, given, task, most)
            lines = [as_line(*one) for one in _waiting(connection, drawn, rater)]
    finally:
        connection.close()
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    says = f"{len(lines):,} pairs for {rater} in {out}. Fill in A, B or tie, then: routenlp compare import."
    show_lines(open_console(stderr=False), [says, *same_said(drawn)])


def run_import(settings: Path | None, environ: Mapping[str, str], file: Path) -> None:
    """Stores what people said; nothing of a file with an error in it."""
    store = existing_store(given_settings(settings, environ))
    connection = open_store(store)
    try:
        with mapped(store):
            done = import_verdicts(connection, numbered_lines(file, "compare export"), time.time())
    finally:
        connection.close()
    says = f"{done.verdicts:,} verdicts, {done.new:,} of them new or changed; {done.empty:,} lines were empty."
    show_lines(open_console(stderr=False), [says])


def run_serve(
    settings: Path | None, environ: Mapping[str, str], rater: str, task: str | None, most: int, port: int
) -> None:
    """The page in this person's own browser, until a signal. Nobody else reaches it: it listens on the loopback."""
    check_installed("routenlp compare serve")
    from routenlp.worker.page import serve
    from routenlp.worker.pair_page.app import PairPage

    given = given_settings(settings, environ)
    check_rater(rater, given)
    store = existing_store(given)
    connection = open_store(store)
    try:
        with mapped(store):
            drawn = _drawn(connection, given, task, most)
            page = PairPage(connection, _waiting(connection, drawn, rater), time.time)
            show_lines(open_console(stderr=False), same_said(drawn))
            serve.run(page.answer, port=port, said=lambda address: say_address(address, len(page), "verdict"))
    finally:
        connection.close()


def check_rater(rater: str, settings: Settings) -> None:
    """Raises `SettingsError` for no name, and for a tier's or a model's: raters are people."""
    models = {name for tier in settings.portfolio for name in (tier.name, tier.model)}
    if not rater.strip() or rater in models:
        problem = f"is {rater!r}, a model" if rater in models else "is empty"
        raise SettingsError("--rater", problem, "Name the person who compares.")


def tasks_to_compare(settings: Settings, task: str | None, most: int) -> list[str]:
    """The task named, else all whose answers are texts."""
    if most < 1:
        raise SettingsError("--most", f"is {most}", "Ask for one pair at least.")
    if task is not None:
        return [task]
    if not (found := to_compare(settings)):
        raise SettingsError("--task", "is not given, and no task's answers are texts", "Name a task.")
    return list(found)


def to_compare(settings: Settings) -> dict[str, str]:
    """Tasks whose answers are texts, each with the tier that theirs are compared with."""
    every = tuple(tier.name for tier in settings.portfolio)
    texts = {name: task for name, task in settings.tasks.items() if task.metric in WRITES_TEXT}
    return {name: settings.top_of(name) for name, task in texts.items() if len(task.allowed_tiers or every) > 1}


def same_said(drawn: Mapping[str, Drawn]) -> list[str]:
    """Of pairs that nobody is asked about."""
    return [
        f"{name}: {found.same:,} of {len(found.pairs) + found.same:,} drawn pairs are equal answers: ties, not asked."
        for name, found in drawn.items()
        if found.same
    ]


def _drawn(connection: sqlite3.Connection, given: Settings, task: str | None, most: int) -> dict[str, Drawn]:
    now_s = time.time()
    return {
        name: draw_task(connection, name, given.top_of(name), most, now_s)
        for name in tasks_to_compare(given, task, most)
    }


def _waiting(connection: sqlite3.Connection, drawn: Mapping[str, Drawn], rater: str) -> list[tuple[Pair, Rating]]:
    return [one for found in drawn.values() for one in waiting(connection, found, rater, os.urandom)]
