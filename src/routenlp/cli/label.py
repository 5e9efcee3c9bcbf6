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
    given = _settings(settings, environ)
    most, store = _most(given, most), _store(given)
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
    given = _settings(settings, environ)
    store = _store(given)
    content = ContentPolicy(given.content.store, given.content.retain_days, given.content.redact)
    metrics = {name: task.metric for name, task in given.tasks.items()}
    connection = open_store(store)
    try:
        with mapped(store):
            lines, judged = _lines(file), given.judge is not None
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
    given = _settings(settings, environ)
    from routenlp.worker.label_page import serve

    most, store = _most(given, most), _store(given)
    connection = open_store(store)
    try:
        with mapped(store):
            tasks = [task] if task else tasks_by_need(connection)
            names = [name for one in tasks for name in draw_waiting(connection, one, most)]
            serve.run(connection, names, given, port=port, grader=grader, said=_say_address)
    finally:
        connection.close()


def _most(settings: Settings, named: int | None) -> int:
    """Queries of a task to be drawn: those named, else as many as the settings ask people for beside a judge."""
    asked = settings.judge.gold if settings.judge is not None else 0
    most = (asked or MOST) if named is None else named
    if most < 1:
        raise SettingsError("--most", f"is {most}", "Ask for one query at least.")
    return most


def _say_address(address: str, waiting: int) -> None:
    says = [f"{waiting:,} queries wait. Open this address here, and give it to nobody:", "", f"  {address}", ""]
    show_lines(open_console(stderr=False), [*says, "Ctrl-C ends it; every grade is stored when it is sent."])


def _settings(file: Path | None, environ: Mapping[str, str]) -> Settings:
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if chosen is None:
        raise SettingsError("--settings", "is not given", "Name the gateway's settings: they say how tasks are graded.")
    return load(chosen, environ, default="")


def _store(settings: Settings) -> Path:
    if settings.store is None:
        raise SettingsError("store", "is not given", "Give store.url.")
    path = locate(settings.store.url)
    open_reader(path).close()  # one that is not there is not made: nothing could be in it
    return path


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MissingData(str(file), f"cannot be read ({exc})", "Name a file that label export wrote.") from exc
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{file}, line {number}", line
