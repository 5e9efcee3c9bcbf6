"""Whole policies in folders, told apart by their threshold, and a store with some of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.gateway.running import write_policy

from routenlp.loop.lifecycle import State
from routenlp.store.policy_versions import PolicyVersions, open_versions
from routenlp.store.turn_lock import hold

NOW_S = 1_800_000_000.0
WHY = {"kind": "test"}
TO_ACTIVE = (State.CALIBRATED, State.SHADOW, State.CANARY, State.ACTIVE)


def made(folder: Path, limit: float) -> Path:
    """A certified policy that accepts under `limit`."""
    return write_policy(folder, limit=limit)


def activated(versions: PolicyVersions, held, folder: Path):
    """The first policy of a store: active at once."""
    version = versions.add(held, folder, origin="test", now_s=NOW_S)
    versions.move(held, version.id, State.CALIBRATED, WHY, now_s=NOW_S)
    return versions.move(held, version.id, State.ACTIVE, WHY, now_s=NOW_S)


def store_with_active(folder: Path, limit: float = 0.25) -> tuple[Path, str]:
    """A store whose active policy accepts under `limit`, and that policy's id."""
    store = folder / "s.db"
    source = made(folder / f"source-{limit}", limit)
    with hold(store, "test", NOW_S) as held, open_versions(store) as versions:
        return store, activated(versions, held, source).id


def bytes_of(folder: Path) -> str:
    """A hash of every file under `folder`, with its name."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
