"""Whether a key is where none may be: in an answer, the log, the metrics, the store."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tests.gateway import running


@dataclass
class Guarded:
    """A gateway with keys, a store that keeps all that is said, and three kinds of keys to keep to itself."""

    gateway: running.Running
    folder: Path
    secret: str
    """Of a client."""

    @property
    def secrets(self) -> list[str]:
        return [self.secret, running.UPSTREAM_KEY, running.ADMIN_KEY]

    def quoted(self, said: object) -> list[str]:
        """Those of the keys that `said` holds, whole or but for their first and last few letters."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return [secret for secret in self.secrets if secret[5:-3] in text]

    def kept(self) -> dict[str, str]:
        """All that stays after requests: log, metrics, every row of the store, and its files as they lie there."""
        files = {file.name: file.read_bytes() for file in self.folder.glob("routenlp.db*")}
        rows = {f"table {name}": repr(self.rows(f"SELECT * FROM {name}")) for name in self.tables()}
        return {"log": self.gateway.log.read_text(), "metrics": self.gateway.metrics(), "files": repr(files)} | rows

    def tables(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def rows(self, query: str) -> list[tuple]:
        connection = sqlite3.connect(self.folder / "routenlp.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def count(self, table: str) -> int:
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def assert_kept_to_itself(self) -> None:
        """No key lies anywhere."""
        assert {where: found for where, said in self.kept().items() if (found := self.quoted(said))} == {}
