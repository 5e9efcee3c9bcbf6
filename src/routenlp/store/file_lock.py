"""A lock that the system drops when its process ends, however it ends: nothing stays locked by the dead."""

from __future__ import annotations

import os
from pathlib import Path

from routenlp.errors import StoreError


def open_locked(path: Path) -> int | None:
    """An open file that no other process has locked; None where one has. Close it to give the lock back.

    Child processes do not inherit it. Raises `StoreError` where the file cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise StoreError(str(path), f"cannot be opened ({exc.strerror})", "Make its folder writable.") from exc
    try:
        import fcntl
    except ImportError:
        return handle  # Windows: no such lock, so running one of a kind is up to its user
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
