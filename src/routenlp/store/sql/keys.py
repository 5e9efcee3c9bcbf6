"""Virtual keys: random secrets shown once, kept as SHA-256.

A secret has 256 random bits, so a fast hash is enough: there is nothing to guess. Keys are checked in memory; what
another process changes (`routenlp keys`) is seen within `REFRESH_S`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from routenlp.errors import SettingsError
from routenlp.store.sql import statements
from routenlp.store.sql.database import mapped, open_reader, transaction
from routenlp.store.sql.money import Budget, Period, usd_of

PREFIX = "rnlp_"
"""Of every secret, so that people and scanners know one when they see it."""
REFRESH_S = 1.0
_PATIENCE_S = 0.05
"""How long a request may wait for the file. Readers do not wait for writers, so it is hardly ever waited for."""
_LOOKED_UP = 8
"""Digits of a hash that find a key; the rest are compared in constant time."""

_KeyColumns = tuple[str, str, str, float, float | None, int | None, int | None, Period | None, str | None]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of a key; never its secret."""

    id: str
    name: str
    created_s: float
    revoked_s: float | None = None
    requests_per_minute: int | None = None
    budget: Budget | None = None
    tasks: frozenset[str] | None = None
    """Tasks it may ask; None: all."""

    def may_ask(self, task: str) -> bool:
        """Whether the key is allowed this task."""
        return self.tasks is None or task in self.tasks


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """The one time that a secret is seen."""

    secret: str
    key: KeyRow


def create(
    connection: sqlite3.Connection,
    name: str,
    *,
    now_s: float,
    requests_per_minute: int | None = None,
    budget: Budget | None = None,
    tasks: frozenset[str] | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> CreatedKey:
    """Makes a key and stores its hash. `random` gives so many bytes; only a test has reason to pass another."""
    if requests_per_minute is not None and requests_per_minute < 1:
        raise SettingsError("requests per minute", f"is {requests_per_minute}", "Give at least 1, or no limit.")
    secret = PREFIX + random(32).hex()
    key = KeyRow("key_" + random(6).hex(), name, now_s, None, requests_per_minute, budget, tasks)
    row = (
        key.id,
        name,
        _hash(secret),
        now_s,
        None,
        requests_per_minute,
        budget.nanos if budget else None,
        budget.period if budget else None,
        json.dumps(sorted(tasks)) if tasks is not None else None,
    )
    with transaction(connection):
        connection.execute(statements.INSERT_KEY, row)
        connection.execute(statements.BUMP_COUNTER, ("keys_version",))
    return CreatedKey(secret, key)


def revoke(connection: sqlite3.Connection, key_id: str, *, now_s: float) -> bool:
    """The key opens nothing any more; False where there is no such key, or it was revoked before."""
    with transaction(connection):
        done = connection.execute(statements.REVOKE_KEY, (now_s, key_id)).rowcount > 0
        connection.execute(statements.BUMP_COUNTER, ("keys_version",))
    return done


def list_keys(connection: sqlite3.Connection) -> list[KeyRow]:
    """All keys, the oldest first, revoked ones too."""
    return [key for _, key in _read(connection)]


class KeyRing:
    """The keys in force, in memory. For one thread."""

    def __init__(self, store: Path, now_s: float) -> None:
        """Reads the keys of the store at `store`, which exists; raises `StoreError`."""
        self._store = store
        self._connection = open_reader(store, timeout_s=_PATIENCE_S)
        self._by_prefix: dict[str, list[tuple[str, KeyRow]]] = {}
        self._by_id: dict[str, KeyRow] = {}
        self._version = -1
        self._read_s = now_s
        self.failure: str | None = None
        """Why the keys could not be read again; those read before stay in force."""
        with mapped(store):
            self._load()

    def verify(self, secret: str, now_s: float) -> KeyRow | None:
        """The key that this secret opens; None for a wrong or revoked one. Never raises."""
        self._refresh(now_s)
        digest = _hash(secret)
        candidates = self._by_prefix.get(digest[:_LOOKED_UP], ())
        return next((key for known, key in candidates if compare_digest(digest, known)), None)

    def budget(self, key_id: str) -> Budget | None:
        """The budget of a key in force."""
        key = self._by_id.get(key_id)
        return key.budget if key else None

    def __len__(self) -> int:
        """How many keys are in force. With none, nobody can have been given one."""
        return len(self._by_id)

    def close(self) -> None:
        """No key can be read again."""
        self._connection.close()

    def _refresh(self, now_s: float) -> None:
        if 0.0 <= now_s - self._read_s < REFRESH_S:
            return
        self._read_s = now_s
        try:
            self._load()
            self.failure = None
        except sqlite3.Error as exc:
            self.failure = str(exc)

    def _load(self) -> None:
        (version,) = self._connection.execute(statements.COUNTER, ("keys_version",)).fetchone()
        if version == self._version:
            return
        found = [(digest, key) for digest, key in _read(self._connection) if key.revoked_s is None]
        by_prefix: dict[str, list[tuple[str, KeyRow]]] = {}
        for digest, key in found:
            by_prefix.setdefault(digest[:_LOOKED_UP], []).append((digest, key))
        self._by_prefix = by_prefix
        self._by_id = {key.id: key for _, key in found}
        self._version = version


def _read(connection: sqlite3.Connection) -> list[tuple[str, KeyRow]]:
    return [_key(row) for row in connection.execute(statements.KEYS)]


def _key(row: _KeyColumns) -> tuple[str, KeyRow]:
    key_id, name, digest, created_s, revoked_s, per_minute, budget_nanos, period, tasks = row
    budget = None if budget_nanos is None or period is None else Budget(usd_of(budget_nanos), period)
    allowed = None if tasks is None else frozenset(json.loads(tasks))
    return digest, KeyRow(key_id, name, created_s, revoked_s, per_minute, budget, allowed)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
