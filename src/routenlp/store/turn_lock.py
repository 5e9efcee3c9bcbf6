"""One turn or promotion at a time for a store; whoever comes second is told who is at work, and since when.

The lock is the system's (`file_lock`), so a killed holder holds nothing: the next one takes over without having
to guess whether the other is dead. The file's text only says who it was.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from routenlp.errors import LockHeld
from routenlp.store.file_lock import open_locked


@dataclass(frozen=True, slots=True)
class Held:
    """Proof of holding the lock, while inside `hold`. What changes policies asks for one."""

    who: str
    """In words, such as `turn`."""
    pid: int
    host: str
    since_s: float


@contextmanager
def hold(store: Path, who: str, now_s: float) -> Iterator[Held]:
    """The lock of the store at `store`. Raises `LockHeld` at once where another process, or this one, has it."""
    path = Path(f"{store}-turn.lock")
    handle = open_locked(path)
    if handle is None:
        raise LockHeld(
            str(path), f"is held: {_holder(path)}", "Wait until it has ended, or end it; it leaves no trace."
        )
    try:
        held = Held(who, os.getpid(), socket.gethostname(), now_s)
        with suppress(OSError):  # on a full disk the lock holds, and only its name tag is missing
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(held)).encode(), 0)
        yield held
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        held = Held(**json.loads(path.read_text(encoding="utf-8")))
        since = datetime.fromtimestamp(held.since_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{held.who}, process {held.pid} on {held.host}, at work since {since}"
    except (OSError, ValueError, TypeError):
        return "a process that has not said who it is"
