from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from routenlp.errors import StoreError
from routenlp.store.sql import schema
from routenlp.store.sql.database import open_reader, open_store
from routenlp.store.sql.schema import MIGRATIONS, SCHEMA_VERSION, check, migrate

RELEASED = {
    1: "31918e655518c195005cc0461fcc60408f1b1d46f2b8408de441e4919bc379c1",
    2: "f79ef39e0221abbd87fd54f8b297e6fd4fe749e176417b5b8b4d35551f4d9ba6",
    3: "93d09d87d3d112cafc025ddd898e153cd4d9204ca63b64ff098b1d5cc502ec59",
    4: "a8a7300e1ccf4a531cf85371cc1e97a32cc375a69676ae666cc4d880436d165a",
    5: "07f094ddb7157320bdfb553ef047803cde053b66eec9071ab318a35cc177741f",
}
"""Of each migration that a release contains, by the version that it leads to. Never edited, only added to."""

ADDED = """
CREATE TABLE later (id INTEGER PRIMARY KEY);
INSERT INTO later SELECT 1;
ALTER TABLE keys ADD COLUMN note TEXT;
"""


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


def test_a_released_migration_is_never_edited() -> None:
    found = {at: hashlib.sha256(script.encode()).hexdigest() for at, script in enumerate(MIGRATIONS, start=1)}
    assert {at: found[at] for at in RELEASED} == RELEASED


def test_a_new_store_has_the_newest_schema(tmp_path: Path) -> None:
    connection = open_store(tmp_path / "s.db")
    assert check(connection, "s.db") == SCHEMA_VERSION
    connection.close()


def test_commits_are_synced_and_deletions_overwritten(tmp_path: Path) -> None:
    connection = open_store(tmp_path / "s.db")
    modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 2]
    assert connection.execute("PRAGMA secure_delete").fetchone()[0] == 1
    connection.close()


def test_version_1_moves_forward_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, "s.db", MIGRATIONS[:1])
    connection.execute("INSERT INTO spend VALUES ('key_a', 'intent', 19675, 3, 500)")
    assert migrate(connection, "s.db", (*MIGRATIONS[:1], ADDED)) == 1
    assert connection.execute("SELECT * FROM spend").fetchall() == [("key_a", "intent", 19675, 3, 500)]
    assert connection.execute("SELECT id FROM later").fetchall() == [(1,)]
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    connection.close()


def test_version_1_as_it_was_released_opens_today(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, "s.db", MIGRATIONS[:1])
    connection.close()
    connection = open_store(path)
    assert check(connection, "s.db") == SCHEMA_VERSION
    connection.close()


def test_a_migration_that_fails_leaves_the_old_version_whole(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    migrate(connection, "s.db", MIGRATIONS[:1])
    with pytest.raises(sqlite3.Error):
        migrate(connection, "s.db", (*MIGRATIONS[:1], ADDED + "CREATE TABLE later (id INTEGER);\n"))
    assert check(connection, "s.db", (*MIGRATIONS[:1], ADDED)) == 1
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    connection.close()


def test_a_later_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"schema version {SCHEMA_VERSION + 1}.*Update routenlp"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        open_store(path)
    assert tables(path) == {"theirs"}


@pytest.mark.parametrize("data", [b"not a database at all, and long enough to be read as a header" * 20])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="Restore a backup"):
        open_store(path)
    assert path.read_bytes() == data


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_reader(tmp_path / "s.db")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_store(tmp_path / "s.db").close()
    connection = open_reader(tmp_path / "s.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM keys")
    connection.close()


def test_two_processes_that_open_a_new_store_both_get_it(tmp_path: Path) -> None:
    first, second = (sqlite3.connect(tmp_path / "s.db", isolation_level=None) for _ in range(2))
    check(second, "s.db")
    migrate(first, "s.db")
    assert migrate(second, "s.db") == SCHEMA_VERSION
    assert schema.check(second, "s.db") == SCHEMA_VERSION
    first.close()
    second.close()
