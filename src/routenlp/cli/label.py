"""`routenlp label export`, `import` and `serve`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.serve import check_installed
from routenlp.cli.store_location import DEFAULT_FILE
from routenlp.errors import MissingData, SettingsError
from routenlp.settings import Settings, load
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.database import locate, mapped, open_reader, open_store
from routenlp.worker.labels import draw_waiting, export, import_labels, tasks_by_need

MOST = 100
"""Queries of each task, where nothing asks for another number."""


def run_export(
    settings: Path | None, environ: Mapping[str, str], out: Path, task: str | None, most: int | None
) -> None:
    """Writes queries that wait for a person; refuses to overwrite."""
    if out.exists():
        raise SettingsError("routenlp label export", f"{str(out)!r} exists already", "Name a new file.")
    given = given_settings(settings, environ)
    most, store = _most(given, most), existing_store(given)
    connection = open_store(store)
    try:
        with mapped(store):
            tasks = [task] if task else tasks_by_need(connection)
            lines = [line for name in tasks for line in export(connection, name, most)]
    finally:
        connection.close()
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    show_lines(open_console(stderr=False), [f"{len(lines):,} queries in {out}. Fill in, then: routenlp label import."])


def run_import(settings: Path | None, environ: Mapping[str, str], file: Path, grader: str) -> None:
    """Stores what a person filled in; nothing of a file with an error in it."""
    given = given_settings(settings, environ)
    store = existing_store(given)
    content = ContentPolicy(given.content.store, given.content.retain_days, given.content.redact)
    metrics = {name: task.metric for name, task in given.tasks.items()}
    connection = open_store(store)
    try:
        with mapped(store):
            lines, judged = numbered_lines(file), given.judge is not None
            done = import_labels(connection, lines, metrics, content, grader=grader, now_s=time.time(), judged=judged)
    finally:
        connection.close()
    says = f"Stored {done.references:,} references and {done.grades:,} grades; {done.empty:,} lines were empty."
    show_lines(open_console(stderr=False), [says])


def run_serve(
    settings: Path | None, environ: Mapping[str, str], task: str | None, most: int | None, port: int, grader: str
) -> None:
    """The page in this person's own browser, until a signal. Nobody else reaches it: it listens on the loopback."""
    check_installed("routenlp label serve")
    given = given_settings(settings, environ)
    from routenlp.worker.label_page.app import LabelPage
    from routenlp.worker.label_page.queue import Queue
    from routenlp.worker.page import serve

    most, store = _most(given, most), existing_store(given)
    connection = open_store(store)
    try:
        with mapped(store):
            tasks = [task] if task else tasks_by_need(connection)
            names = [name for one in tasks for name in draw_waiting(connection, one, most)]
            metrics = {name: task.metric for name, task in given.tasks.items()}
            content = ContentPolicy(given.content.store, given.content.retain_days, given.content.redact)
            judged = given.judge is not None
            page = LabelPage(connection, Queue(connection, names), metrics, content, judged, grader, time.time)
            serve.run(page.answer, port=port, said=lambda address: say_address(address, len(names), "grade"))
    finally:
        connection.close()


def _most(settings: Settings, named: int | None) -> int:
    """Queries of a task to be drawn: those named, else as many as the settings ask people for beside a judge."""
    asked = settings.judge.gold if settings.judge is not None else 0
    most = (asked or MOST) if named is None else named
    if most < 1:
        raise SettingsError("--most", f"is {most}", "Ask for one query at least.")
    return most


def say_address(address: str, waiting: int, of: str) -> None:
    """Where the page is. `of`: what a person gives there, such as a grade."""
    says = [f"{waiting:,} queries wait. Open this address here, and give it to nobody:", "", f"  {address}", ""]
    show_lines(open_console(stderr=False), [*says, f"Ctrl-C ends it; every {of} is stored when it is sent."])


def given_settings(file: Path | None, environ: Mapping[str, str]) -> Settings:
    """From `file`, or routenlp.yaml of this folder. Raises `SettingsError` where there is neither."""
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if chosen is None:
        raise SettingsError("--settings", "is not given", "Name the gateway's settings: they say how tasks are graded.")
    return load(chosen, environ, default="")


def existing_store(settings: Settings) -> Path:
    """Where the settings' store lies; raises `SettingsError` or `StoreError` where there is none."""
    if settings.store is None:
        raise SettingsError("store", "is not given", "Give store.url.")
    path = locate(settings.store.url)
    open_reader(path).close()  # one that is not there is not made: nothing could be in it
    return path


def numbered_lines(file: Path, wrote: str = "label export") -> Iterator[tuple[str, str]]:
    """Where each line that is not empty stands, and its text. `wrote`: the command that wrote such a file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MissingData(str(file), f"cannot be read ({exc})", f"Name a file that {wrote} wrote.") from exc
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{file}, line {number}", line
