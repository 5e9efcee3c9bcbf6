"""Opens the database that a URL names, and maps SQLite's errors to ours. The only place that connects."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from routenlp.errors import SettingsError, StoreError
from routenlp.store.sql import schema

DEFAULT_URL = "sqlite:///routenlp.db"
_SQLITE = "sqlite:///"
BUSY_TIMEOUT_S = 5.0
"""How long a connection waits while another process writes."""


def locate(url: str) -> Path:
    """The file that `sqlite:///FILE` names (`sqlite:////FILE` is absolute); raises `SettingsError` for other URLs."""
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return Path(url.removeprefix(_SQLITE)).expanduser()
    # Not quoted: a URL of a server may hold a password.
    kind = url.split(":", 1)[0]
    raise SettingsError("store.url", f"has kind {kind!r}", "This version stores in SQLite: write sqlite:///routenlp.db")


def open_store(path: Path) -> sqlite3.Connection:
    """A connection that writes: the file is made or migrated as needed. Transactions are begun by hand.

    Write-ahead log with a sync at each commit: what was committed survives a loss of power. Deleted content is
    overwritten with zeros. The connection may be handed to another thread, never shared by two.

    Raises `StoreError` where the file cannot be opened, is not a store, or is of a later version.
    """
    with mapped(path):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            schema.check(connection, str(path))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
            schema.migrate(connection, str(path))
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path, *, timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection that only reads; never creates the file nor migrates it.

    Raises `StoreError` where there is no store, or one of another version.
    """
    if not path.is_file():
        raise StoreError(str(path), "does not exist", "Start `routenlp serve` once, or name the store with --store.")
    with mapped(path):
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only = ON")
            if schema.check(connection, str(path)) < schema.SCHEMA_VERSION:
                raise StoreError(str(path), "has an older schema", "Start `routenlp serve` once: it brings it up.")
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into `StoreError`."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        raise StoreError(str(path), f"failed ({exc})", _remedy(exc)) from exc


def _remedy(exc: sqlite3.DatabaseError) -> str:
    text = str(exc)
    if "not a database" in text or "malformed" in text:
        return "Restore a backup, or name another file in store.url."
    if "locked" in text:
        return "Another process writes to it: try again."
    return "Check that folder and file exist, are writable and have space."


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; waits for its turn to write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
