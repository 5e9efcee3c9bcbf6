from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store.sql.made import NOON_S

from routenlp.errors import SettingsError
from routenlp.store.sql.database import open_store
from routenlp.store.sql.keys import PREFIX, REFRESH_S, KeyRing, create, list_keys, revoke
from routenlp.store.sql.money import Budget


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


@pytest.fixture
def connection(store: Path) -> Iterator[sqlite3.Connection]:
    opened = open_store(store)
    yield opened
    opened.close()


@pytest.fixture
def ring(store: Path, connection: sqlite3.Connection) -> Iterator[KeyRing]:
    opened = KeyRing(store, NOON_S)
    yield opened
    opened.close()


def test_a_secret_opens_its_key_and_nothing_else_does(connection: sqlite3.Connection, store: Path) -> None:
    made = [create(connection, name, now_s=NOON_S) for name in ("a", "b")]
    ring = KeyRing(store, NOON_S)
    assert [ring.verify(key.secret, NOON_S) for key in made] == [key.key for key in made]
    wrong = ["", PREFIX, made[0].secret[:-1], made[0].secret + "0", made[0].secret.upper(), "\ud800", made[0].key.id]
    assert [ring.verify(secret, NOON_S) for secret in wrong] == [None] * len(wrong)
    ring.close()


def test_no_secret_is_stored(connection: sqlite3.Connection, store: Path) -> None:
    secret = create(connection, "a", now_s=NOON_S).secret
    connection.close()
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 64
    stored = b"".join(path.read_bytes() for path in store.parent.iterdir())
    assert secret.removeprefix(PREFIX).encode() not in stored


def test_what_a_key_may_do_comes_back(connection: sqlite3.Connection) -> None:
    made = create(
        connection, "a", now_s=NOON_S, requests_per_minute=60, budget=Budget(2.5, "day"), tasks=frozenset({"intent"})
    )
    assert list_keys(connection) == [made.key]
    assert made.key.may_ask("intent")
    assert not made.key.may_ask("drafts")


def test_a_key_without_limits_may_ask_everything(connection: sqlite3.Connection) -> None:
    key = create(connection, "a", now_s=NOON_S).key
    assert (key.budget, key.requests_per_minute, key.may_ask("anything")) == (None, None, True)


def test_a_key_made_elsewhere_is_seen_soon(connection: sqlite3.Connection, ring: KeyRing) -> None:
    made = create(connection, "a", now_s=NOON_S, budget=Budget(1.0))
    assert ring.verify(made.secret, NOON_S + REFRESH_S) == made.key
    assert ring.budget(made.key.id) == Budget(1.0)


def test_a_revoked_key_opens_nothing_soon_after(connection: sqlite3.Connection, ring: KeyRing) -> None:
    made = create(connection, "a", now_s=NOON_S)
    assert ring.verify(made.secret, NOON_S + 2) == made.key
    assert revoke(connection, made.key.id, now_s=NOON_S + 3)
    assert ring.verify(made.secret, NOON_S + 3 + REFRESH_S) is None
    assert len(ring) == 0


def test_revoking_what_is_not_there_says_so(connection: sqlite3.Connection) -> None:
    made = create(connection, "a", now_s=NOON_S)
    assert [revoke(connection, name, now_s=NOON_S) for name in (made.key.id, made.key.id, "key_x")] == [
        True,
        False,
        False,
    ]


def test_keys_stay_in_force_where_the_store_fails(connection: sqlite3.Connection, ring: KeyRing) -> None:
    made = create(connection, "a", now_s=NOON_S)
    assert ring.verify(made.secret, NOON_S + 2) == made.key
    ring._connection.close()
    assert ring.verify(made.secret, NOON_S + 4) == made.key
    assert ring.failure is not None


def test_a_limit_of_none_a_minute_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        create(connection, "a", now_s=NOON_S, requests_per_minute=0)
