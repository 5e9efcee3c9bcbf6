"""`routenlp feedback`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.store_location import StoreLocation
from routenlp.errors import CorruptData, MissingData, SettingsError
from routenlp.gateway.errors import ApiError
from routenlp.gateway.feedback import read_feedback
from routenlp.store.sql.database import mapped, open_reader, open_store
from routenlp.store.sql.feedback import add_feedback
from routenlp.store.sql.records import FeedbackRecord


def run(store: StoreLocation, said: Mapping[str, object], file: Path | None) -> None:
    """Stores one piece of feedback or a file of it: all or nothing."""
    if (said["id"] is None) == (file is None):
        raise SettingsError("routenlp feedback", "needs either an id or --file", "Give one of the two.")
    lines = _one(said) if file is None else _lines(file)
    now_s = time.time()
    records = [record for where, line in lines for record in _read(where, line, now_s)]
    open_reader(store.path).close()  # a store that is not there is not made: nothing could be in it
    connection = open_store(store.path)
    try:
        with mapped(store.path):
            added = add_feedback(connection, records, store.content)
    finally:
        connection.close()
    known = f"; {added.known} had been said before" if added.known else ""
    show_lines(open_console(stderr=False), [f"Stored {added.stored}{known}."])


def _one(said: Mapping[str, object]) -> Iterator[tuple[str, bytes]]:
    yield "routenlp feedback", msgspec.json.encode({key: value for key, value in said.items() if value is not None})


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise MissingData(str(file), f"cannot be read ({exc.strerror})", "Name a file of JSON lines.") from exc
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield f"{file}, line {number}", line


def _read(where: str, line: bytes, now_s: float) -> list[FeedbackRecord]:
    try:
        return read_feedback(line, at_s=now_s, key_id=None)
    except ApiError as exc:
        raise CorruptData(where, str(exc), "Mend it: nothing of this was stored.") from exc
