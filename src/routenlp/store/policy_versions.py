"""The versions of a store's policy: what serves, what is on trial, what served before, and the evidence of every move.

    with hold(store, "turn", now_s) as held:                      one turn or promotion at a time
        with open_versions(store) as versions:
            version = versions.add(held, folder, origin="turn 3", now_s=now_s)       draft
            versions.move(held, version.id, State.CALIBRATED, evidence, now_s=now_s) its certificates are its own
            versions.log_look(held, version.id, level, rows, now_s=now_s)            before the gate looks
            versions.note(held, version.id, as_evidence(compared), now_s=now_s)      its rows (`loop.compared`)
            versions.move(held, version.id, State.SHADOW, verdict.evidence(), now_s=now_s)
            versions.move(held, version.id, State.CANARY, ..., share=0.05, now_s=now_s)
            versions.set_share(held, 0.25, ..., now_s=now_s)
            versions.move(held, version.id, State.ACTIVE, ..., now_s=now_s)          the old one is retired
            versions.roll_back(held, evidence, now_s=now_s)                          what is on trial, else the active

A version's folder holds models, router, thresholds and certificates together and never changes (`version_folders`).
What serves is one row, `Pointer`; a move changes it, the states and the evidence in one transaction. So whatever kills
a process, and wherever, the active policy is either the old one or the new one, whole; and before a folder becomes what
serves, each of its bytes is checked. The gateway follows `Pointer.revision`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from routenlp.errors import ArtefactError, IllegalMove, MissingData
from routenlp.loop.delta import Spent
from routenlp.loop.lifecycle import ON_TRIAL, State, check_move
from routenlp.loop.shadow import Shadowed
from routenlp.store import version_folders
from routenlp.store.policy_summary import summarise
from routenlp.store.sql import statements
from routenlp.store.sql.database import mapped, open_reader, open_store, transaction
from routenlp.store.sql.money import usd_of
from routenlp.store.turn_lock import Held


@dataclass(frozen=True, slots=True)
class Version:
    """One policy."""

    id: str
    digest: str
    state: State
    made_s: float
    origin: str
    """What made it, in words."""
    parent: str | None
    """The version in force when it was made."""
    artefacts: Mapping[str, str]
    summary: Mapping[str, Any]
    """From `policy_summary.summarise`."""

    @property
    def content(self) -> version_folders.Content:
        """What its folder must hold."""
        return version_folders.Content(self.artefacts)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Who serves."""

    revision: int
    """Rises with every change."""
    active: str | None
    previous: str | None
    """Where a roll-back goes."""
    candidate: str | None
    """In shadow or canary."""
    share: float
    """Of the conversations that the candidate serves; 0 in shadow."""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a version's state, or of its share, with what it was decided on."""

    at_s: float
    version: str
    before: State | None
    after: State
    share: float
    who: str
    evidence: Mapping[str, Any]


def policies_root(store: Path) -> Path:
    """Where the folders lie: beside the store."""
    return Path(f"{store}-policies")


def has_versions(store: Path) -> bool:
    """Whether there may be any, without opening anything."""
    return policies_root(store).is_dir()


class PolicyVersions:
    """Reads and changes. Not for two threads. Raises `StoreError` where the database fails."""

    def __init__(self, store: Path, connection: sqlite3.Connection) -> None:
        self._store = store
        self._connection = connection
        self.root = policies_root(store)

    def folder(self, version: str) -> Path:
        """Where the version's artefacts lie."""
        return self.root / version

    def pointer(self) -> Pointer:
        """Who serves now."""
        with mapped(self._store):
            return Pointer(*self._connection.execute(statements.POINTER).fetchone())

    def all(self) -> list[Version]:
        """The oldest first."""
        with mapped(self._store):
            return [_version(row) for row in self._connection.execute(statements.VERSIONS)]

    def find(self, name: str) -> Version:
        """By id, or by as many of its first digits as tell it apart. Raises `MissingData`."""
        found = [v for v in self.all() if v.id.startswith(name)] if name else []
        if len(found) == 1:
            return found[0]
        problem = f"fits {len(found)} versions" if found else "is no version"
        raise MissingData(f"policy {name!r}", problem, "`routenlp policies list` shows them all.")

    def moves(self, version: str) -> list[Move]:
        """What became of it, the oldest first."""
        with mapped(self._store):
            rows = self._connection.execute(statements.MOVES_OF, (version,)).fetchall()
        return [_move(row) for row in rows]

    def every_move(self) -> list[Move]:
        """What became of all of them, the oldest first."""
        with mapped(self._store):
            return [_move(row) for row in self._connection.execute(statements.EVERY_MOVE)]

    def looks(self) -> list[Spent]:
        """What the gate has spent so far."""
        with mapped(self._store):
            rows = self._connection.execute(statements.LOOKS).fetchall()
        return [Spent(version, level, frozenset(json.loads(keys))) for version, level, keys in rows]

    def shadowed(self, version: str) -> list[Shadowed]:
        """What the version would have done with live queries, in the order in which they came."""
        with mapped(self._store):
            rows = self._connection.execute(statements.SHADOWED_OF, (version,)).fetchall()
        return [_shadowed(*row) for row in rows]

    def add(self, held: Held, folder: Path, *, origin: str, now_s: float) -> Version:
        """Copies the policy in `folder`, in state draft; the same content again is the version that is there.

        Raises `ArtefactError` for what is no policy, `StoreError` where the disk is full: nothing is left then.
        """
        content = version_folders.copy_in(folder, self.root)
        summary = summarise(self.folder(content.id))
        detail = _json({"artefacts": dict(content.artefacts), "summary": summary})
        with mapped(self._store), transaction(self._connection):
            if self._connection.execute(statements.VERSION, (content.id,)).fetchone() is None:
                parent = self.pointer().active
                row = (content.id, content.digest, State.DRAFT.value, now_s, origin, parent, detail)
                self._connection.execute(statements.INSERT_VERSION, row)
                self._log(held, content.id, None, State.DRAFT, 0.0, {"kind": "added", "from": origin}, now_s)
        return self.find(content.id)

    def adopt(self, held: Held, folder: Path, *, origin: str, now_s: float) -> Version:
        """The first policy of a store: the one in `folder`, active at once, for there is none to compare it with.

        Raises `IllegalMove` where one is active, and what `add` and `move` raise.
        """
        if (active := self.pointer().active) is not None:
            raise IllegalMove(str(folder), f"cannot be the first policy: {active} is active", "Promote it instead.")
        version = self.add(held, folder, origin=origin, now_s=now_s)
        for after in (State.CALIBRATED, State.ACTIVE):
            if version.state is not after:
                version = self.move(held, version.id, after, {"kind": "first"}, now_s=now_s)
        return version

    def move(
        self,
        held: Held,
        version: str,
        after: State,
        evidence: Mapping[str, Any],
        *,
        now_s: float,
        share: float = 0.0,
    ) -> Version:
        """Changes the state, and with it who serves. `share`: of a canary.

        Raises `IllegalMove` where the table forbids it, where another candidate is on trial, and to `calibrated` with a
        certificate that was not proved for this very policy; `ArtefactError` where the folder was altered.
        """
        with mapped(self._store), transaction(self._connection):
            found = self._read(version)
            check_move(found.id, found.state, after)
            if after in ON_TRIAL or after is State.ACTIVE:
                version_folders.check(self.folder(found.id), found.content)
            if after is State.CALIBRATED:
                _check_own_certificates(found)
            pointer = self.pointer()
            if after in ON_TRIAL:
                self._put_on_trial(pointer, found, share if after is State.CANARY else 0.0)
            elif after is State.ACTIVE:
                self._activate(held, pointer, found, now_s)
            elif found.id == pointer.candidate:
                self._point(replace(pointer, candidate=None, share=0.0))
            elif found.id == pointer.active:
                self._point(replace(pointer, active=None))
            share = share if after is State.CANARY else float(after is State.ACTIVE)
            self._change(held, found, after, evidence, now_s, share)
        return self.find(found.id)

    def set_share(self, held: Held, share: float, evidence: Mapping[str, Any], *, now_s: float) -> Pointer:
        """The canary's next share. Raises `IllegalMove` without a canary."""
        with mapped(self._store), transaction(self._connection):
            pointer = self.pointer()
            found = self._read(pointer.candidate) if pointer.candidate else None
            if found is None or found.state is not State.CANARY:
                raise IllegalMove("canary", "is not under way", "Put a candidate in state canary first.")
            self._point(replace(pointer, share=share))
            self._log(held, found.id, found.state, found.state, share, evidence, now_s)
        return self.pointer()

    def roll_back(self, held: Held, evidence: Mapping[str, Any], *, now_s: float) -> Pointer:
        """What is on trial is rejected; where nothing is, the policy before the active one serves again, as it was.

        Raises `IllegalMove` where there is nothing to go back to, `ArtefactError` where its folder was altered.
        """
        with mapped(self._store), transaction(self._connection):
            pointer = self.pointer()
            if pointer.candidate is not None:
                self._point(replace(pointer, candidate=None, share=0.0))
                self._change(held, self._read(pointer.candidate), State.REJECTED, evidence, now_s, 0.0)
            elif pointer.active is None or pointer.previous is None:
                raise IllegalMove(
                    "roll-back", "has no policy to go back to", "`routenlp policies list` shows what is there."
                )
            else:
                before = self._read(pointer.previous)
                version_folders.check(self.folder(before.id), before.content)
                self._point(replace(pointer, active=before.id, previous=None))
                self._change(held, self._read(pointer.active), State.RETIRED, evidence, now_s, 0.0)
                self._change(held, before, State.ACTIVE, evidence, now_s, 1.0)
        return self.pointer()

    def note(self, held: Held, version: str, evidence: Mapping[str, Any], *, now_s: float) -> None:
        """Keeps evidence that moved nothing: a canary's figures of today, or a verdict that a person acts on."""
        with mapped(self._store), transaction(self._connection):
            self._log_same(held, self._read(version), evidence, now_s)

    def log_look(self, held: Held, version: str, level: float, rows: frozenset[str], *, now_s: float) -> None:
        """The gate looks at these rows (`loop.delta.row_keys`) at this level; to be called before it does."""
        with mapped(self._store), transaction(self._connection):
            found = self._read(version)
            self._connection.execute(statements.INSERT_LOOK, (now_s, version, level, _json(sorted(rows))))
            self._log_same(held, found, {"kind": "gate look", "level": level, "rows": len(rows)}, now_s)

    def _activate(self, held: Held, pointer: Pointer, found: Version, now_s: float) -> None:
        """The active one is retired; a candidate that was compared with it has lost what it was compared with."""
        if pointer.active is not None:
            because = {"kind": "superseded", "by": found.id}
            self._change(held, self._read(pointer.active), State.RETIRED, because, now_s, 0.0)
        if pointer.candidate not in (None, found.id):
            because = {"kind": "superseded", "by": found.id, "reason": "it was on trial against another policy"}
            self._change(held, self._read(str(pointer.candidate)), State.REJECTED, because, now_s, 0.0)
        self._point(replace(pointer, active=found.id, previous=pointer.active, candidate=None, share=0.0))

    def _put_on_trial(self, pointer: Pointer, found: Version, share: float) -> None:
        if pointer.active is None:
            raise IllegalMove(f"policy {found.id}", "has none to be tried against", "Make a policy active first.")
        if pointer.candidate not in (None, found.id):
            raise IllegalMove(
                f"policy {found.id}",
                f"cannot be tried while {pointer.candidate} is",
                "End that trial first: promote it, or `routenlp policies rollback`.",
            )
        self._point(replace(pointer, candidate=found.id, share=share))

    def _change(
        self, held: Held, found: Version, after: State, evidence: Mapping[str, Any], now_s: float, share: float
    ) -> None:
        check_move(found.id, found.state, after)
        changed = self._connection.execute(statements.SET_STATE, (after.value, found.id, found.state.value)).rowcount
        assert changed == 1, "within a transaction nobody else changes it"
        self._log(held, found.id, found.state, after, share, evidence, now_s)

    def _log(
        self,
        held: Held,
        version: str,
        before: State | None,
        after: State,
        share: float,
        evidence: Mapping[str, Any],
        now_s: float,
    ) -> None:
        row = (now_s, version, before.value if before else None, after.value, share, held.who, _json(evidence))
        self._connection.execute(statements.INSERT_MOVE, row)

    def _log_same(self, held: Held, found: Version, evidence: Mapping[str, Any], now_s: float) -> None:
        pointer = self.pointer()
        share = {pointer.active: 1.0, pointer.candidate: pointer.share}.get(found.id, 0.0)
        self._log(held, found.id, found.state, found.state, share, evidence, now_s)

    def _point(self, to: Pointer) -> None:
        self._connection.execute(statements.SET_POINTER, (to.active, to.previous, to.candidate, to.share))

    def _read(self, version: str) -> Version:
        row = self._connection.execute(statements.VERSION, (version,)).fetchone()
        if row is None:
            raise MissingData(f"policy {version!r}", "is no version", "`routenlp policies list` shows them all.")
        return _version(row)


@contextmanager
def open_versions(store: Path) -> Iterator[PolicyVersions]:
    """For changing; the store is made or migrated as needed."""
    connection = open_store(store)
    try:
        yield PolicyVersions(store, connection)
    finally:
        connection.close()


@contextmanager
def read_versions(store: Path) -> Iterator[PolicyVersions]:
    """For reading alone: the database refuses every change."""
    connection = open_reader(store)
    try:
        yield PolicyVersions(store, connection)
    finally:
        connection.close()


def _check_own_certificates(found: Version) -> None:
    voided: Mapping[str, Sequence[str]] = found.summary["voided"]
    for task, changed in voided.items():
        raise IllegalMove(
            f"policy {found.id}",
            f"has a certificate of {task} that was proved for other {', '.join(changed)}",
            "A certificate never survives a change: calibrate this policy again.",
        )


def _json(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise ArtefactError("evidence", f"is not JSON ({exc})", "Give numbers, texts, lists and mappings.") from exc


def _version(row: tuple[str, str, str, float, str, str | None, str]) -> Version:
    detail = json.loads(row[6])
    return Version(row[0], row[1], State(row[2]), row[3], row[4], row[5], detail["artefacts"], detail["summary"])


def _move(row: tuple[float, str, str | None, str, float, str, str]) -> Move:
    at_s, version, before, after, share, who, evidence = row
    return Move(at_s, version, State(before) if before else None, State(after), share, who, json.loads(evidence))


def _shadowed(
    task: str, served_tier: str, served: int, tier: str | None, cost: int | None, same: int | None, top: int
) -> Shadowed:
    known = None if cost is None else usd_of(cost)
    return Shadowed(task, served_tier, usd_of(served), tier, known, None if same is None else bool(same), bool(top))
