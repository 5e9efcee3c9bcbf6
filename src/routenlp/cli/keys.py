"""`routenlp keys create / list / revoke`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import MissingData
from routenlp.store.sql.database import mapped, open_reader, open_store
from routenlp.store.sql.keys import CreatedKey, KeyRow, list_keys
from routenlp.store.sql.keys import create as create_key
from routenlp.store.sql.keys import revoke as revoke_key
from routenlp.store.sql.money import Budget, Period


@dataclass(frozen=True, slots=True)
class Limits:
    """What the command line said; None: no limit."""

    requests_per_minute: int | None
    budget_usd: float | None
    period: Period
    tasks: frozenset[str] | None


def create(store: Path, name: str, limits: Limits, json_target: str | None) -> None:
    """The only time that the secret is shown. Makes the store where there is none yet."""
    budget = None if limits.budget_usd is None else Budget(limits.budget_usd, limits.period)
    with _writing(store) as connection:
        made = create_key(
            connection,
            name,
            now_s=time.time(),
            requests_per_minute=limits.requests_per_minute,
            budget=budget,
            tasks=limits.tasks,
        )
    console = open_console(stderr=json_target == "-")
    if json_target is not None:
        write_json({"secret": made.secret, **_as_json(made.key)}, json_target)
        show_lines(console, [f"Key {made.key.id} is made. Its secret is in the JSON, and nowhere else."])
    else:
        show_lines(console, words(made))


def words(made: CreatedKey) -> list[str]:
    """The secret, and how to use it."""
    return [
        f"Key {made.key.id} for {made.key.name}: {_limits(made.key)}.",
        "",
        f"    {made.secret}",
        "",
        "This is shown once: only a hash of it is kept. Give it to any OpenAI client as its API key.",
    ]


def show(store: Path, json_target: str | None) -> None:
    """All keys, the oldest first."""
    connection = open_reader(store)
    with mapped(store):
        found = list_keys(connection)
    connection.close()
    console = open_console(stderr=json_target == "-")
    if found:
        show_tables(console, [table(found)])
    else:
        show_lines(console, ["No keys yet: `routenlp keys create NAME` makes one."])
    if json_target is not None:
        write_json({"keys": [_as_json(key) for key in found]}, json_target)


def revoke(store: Path, key_id: str) -> None:
    """Raises `MissingData` where no key in force has this id."""
    with _writing(store) as connection:
        if not revoke_key(connection, key_id, now_s=time.time()):
            raise MissingData(f"key {key_id!r}", "is not in force", "See `routenlp keys list`.")
    show_lines(open_console(stderr=False), [f"Key {key_id} is revoked. A running gateway knows it within a second."])


def table(found: list[KeyRow]) -> Table:
    """A row a key."""
    rows = tuple(
        (key.id, key.name, _date(key.created_s), _limits(key), _date(key.revoked_s) if key.revoked_s else "in force")
        for key in found
    )
    return Table("Keys", ("id", "name", "made", "limits", "revoked"), rows)


@contextmanager
def _writing(store: Path) -> Iterator[Connection]:
    connection = open_store(store)
    try:
        with mapped(store):
            yield connection
    finally:
        connection.close()


def _limits(key: KeyRow) -> str:
    said = []
    if key.requests_per_minute is not None:
        said.append(f"{key.requests_per_minute} requests a minute")
    if key.budget is not None:
        period = "in all" if key.budget.period == "total" else f"a {key.budget.period}"
        said.append(f"${key.budget.usd:g} {period}")
    if key.tasks is not None:
        said.append("tasks " + ", ".join(sorted(key.tasks)))
    return "; ".join(said) or "no limits"


def _as_json(key: KeyRow) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "created_s": key.created_s,
        "revoked_s": key.revoked_s,
        "requests_per_minute": key.requests_per_minute,
        "budget_usd": key.budget.usd if key.budget else None,
        "budget_period": key.budget.period if key.budget else None,
        "tasks": sorted(key.tasks) if key.tasks is not None else None,
    }


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
