"""A promotion, killed before each of its calls that write; then what is left is looked at, and the promotion resumed.

`python killed_promotions.py FOLDER`: FOLDER holds `s.db` with an active policy and `new`, the policy to promote.
One JSON line for every kill: where, what is active, whether every byte is right, and how the resumed promotion ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from tests.unit.store.made_policies import NOW_S, WHY, bytes_of

import routenlp.store
from routenlp.errors import IllegalMove
from routenlp.loop.delta import row_keys
from routenlp.loop.lifecycle import State
from routenlp.store import version_folders
from routenlp.store.policy_versions import open_versions
from routenlp.store.turn_lock import hold

WATCHED = str(Path(routenlp.store.__file__).parent)
WRITES = frozenset({"execute", "fsync", "rename", "mkdir", "mkdtemp", "pwrite", "ftruncate", "flock", "close", "flush"})
ON_THE_WAY = (State.DRAFT, State.CALIBRATED, State.SHADOW, State.CANARY, State.ACTIVE)


def promote(folder: Path) -> None:
    """From wherever it stands, as a turn that was interrupted would go on."""
    store = folder / "s.db"
    with hold(store, "turn", NOW_S) as held, open_versions(store) as versions:
        new = versions.add(held, folder / "new", origin="turn 1", now_s=NOW_S)
        if not versions.looks():
            versions.log_look(held, new.id, 0.05, row_keys(["a"]), now_s=NOW_S)
        for state in ON_THE_WAY[ON_THE_WAY.index(new.state) + 1 :]:
            if state is State.ACTIVE and versions.pointer().share < 0.25:
                versions.set_share(held, 0.25, WHY, now_s=NOW_S)
            versions.move(held, new.id, state, WHY, now_s=NOW_S, share=0.05 if state is State.CANARY else 0.0)


def roll_back(folder: Path) -> None:
    store = folder / "s.db"
    with hold(store, "rollback", NOW_S) as held, open_versions(store) as versions:
        try:
            versions.roll_back(held, {"kind": "harm"}, now_s=NOW_S)
        except IllegalMove:
            return


def killed(work: Callable[[Path], None], folder: Path, at: int) -> str | None:
    """In a child that dies before the call number `at`; where that was. None: it ended before."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        seen = 0

        def count(frame: FrameType, event: str, arg: object) -> None:
            nonlocal seen
            name = getattr(arg, "__name__", "")
            ours = next((f for f in (frame, frame.f_back) if f and f.f_code.co_filename.startswith(WATCHED)), None)
            if event != "c_call" or name not in WRITES or ours is None:
                return
            seen += 1
            if seen == at:
                os.write(write, f"{ours.f_code.co_qualname} {name}".encode())
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        work(folder)
        os._exit(0)
    os.close(write)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(read) as said:
        where = said.read()
    if os.WIFSIGNALED(status):
        return where
    assert os.WEXITSTATUS(status) == 0, "the child failed by itself"
    return None


def look(folder: Path, hashes: dict[str, str], at: int, where: str, kind: str) -> dict[str, object]:
    store = folder / "s.db"
    with open_versions(store) as versions:
        pointer, every = versions.pointer(), versions.all()
        whole = all(
            version_folders.check(versions.folder(v.id), v.content) is None
            for v in every
            if versions.folder(v.id).exists()
        )
        active = versions.folder(str(pointer.active))
        return {
            "kind": kind,
            "at": at,
            "where": where,
            "active": pointer.active,
            "identical": bytes_of(active) == hashes[str(pointer.active)],
            "whole": whole,
            "one_active": [v.id for v in every if v.state is State.ACTIVE] == [pointer.active],
            "on_trial": [v.id for v in every if v.state in (State.SHADOW, State.CANARY)]
            == ([pointer.candidate] if pointer.candidate else []),
            "share_of_nobody": pointer.candidate is None and pointer.share > 0.0,
        }


def main(base: Path) -> None:
    new_id = version_folders.content_of(base / "new").id
    with open_versions(base / "s.db") as versions:
        old_id = str(versions.pointer().active)
        hashes = {old_id: bytes_of(versions.folder(old_id)), new_id: bytes_of(base / "new")}
    promoted = base.parent / "promoted"
    shutil.copytree(base, promoted)
    promote(promoted)
    for kind, work, begin in (("promote", promote, base), ("roll back", roll_back, promoted)):
        at, where = 1, ""
        while where is not None:
            folder = base.parent / "run"
            shutil.copytree(begin, folder)
            where = killed(work, folder, at)
            if where is not None:
                found = look(folder, hashes, at, where, kind)
                work(folder)
                with open_versions(folder / "s.db") as versions:
                    found["ends_with"] = versions.pointer().active
                    left = {p.name for p in versions.root.iterdir()}
                found["litter"] = sorted(left - {old_id, new_id})
                sys.stdout.write(json.dumps(found) + "\n")
            shutil.rmtree(folder)
            at += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
