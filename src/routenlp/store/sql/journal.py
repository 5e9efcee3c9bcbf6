"""The charge journal: what each settled charge is written to before `settle` returns.

A charge is in the database only after the next group commit, some 25 ms later. Until then it is in this file, by one
`pwrite` of about 4 microseconds. What a process has written is in the kernel's hands, and outlives its kill; what the
commit has synced outlives a loss of power.

    FILE-charges.a, FILE-charges.b     one line a charge: [seq, key, task, day, nanos] CRC-32
    FILE-charges.lock                  held while a gateway runs: one ledger a store

Lines are written to one file until it is `TURN_BYTES` long, then to the other, which is emptied as soon as all of it is
in the database. Reading takes the whole lines with a true CRC from the start of a file; a broken one ends it, for it
is what a kill or a full disk cut off, and `settle` never returned for it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from routenlp.errors import StoreError
from routenlp.store.file_lock import open_locked

TURN_BYTES = 1 << 20
_SUFFIXES = ("-charges.a", "-charges.b")
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Charge:
    """Money spent. `seq` rises by one from charge to charge over the life of a store."""

    seq: int
    key_id: str
    """Empty where the request had no key."""
    task: str
    day: int
    """Of UTC since 1970: the day on which it was reserved."""
    nanos: int


class ChargeJournal:
    """Two files that take turns. Not thread-safe: the ledger's lock guards it."""

    def __init__(self, store: Path) -> None:
        """Opens or makes the files beside `store`, and takes the lock.

        Raises `StoreError` where another process has it, or a file cannot be opened.
        """
        self._paths = [Path(f"{store}{suffix}") for suffix in _SUFFIXES]
        self._lock = _take_lock(Path(f"{store}-charges.lock"))
        try:
            self._files = [os.open(path, os.O_RDWR | os.O_CREAT, 0o600) for path in self._paths]
        except OSError as exc:
            os.close(self._lock)
            raise StoreError(str(exc.filename), f"cannot be opened ({exc.strerror})", "Make it writable.") from exc
        self._at = 0
        self._offset = 0
        self._last_seq = [0, 0]
        """Of each file, as written by this process."""
        self._closed = False

    def replay(self) -> list[Charge]:
        """All whole charges in both files, in order: what the last process left."""
        found = [charge for path in self._paths for charge in _charges(path.read_bytes())]
        return sorted(found, key=lambda charge: charge.seq)

    def clear(self) -> None:
        """Empties both files: all in them is in the database."""
        for file in self._files:
            os.ftruncate(file, 0)
        self._at, self._offset, self._last_seq = 0, 0, [0, 0]

    def write(self, charge: Charge) -> None:
        """Adds one charge; raises `OSError` where it could not be written whole, and then counts as not written."""
        if self._closed:
            raise OSError("the journal is closed")
        body = _encoder.encode((charge.seq, charge.key_id, charge.task, charge.day, charge.nanos))
        line = body + b" %08x\n" % zlib.crc32(body)
        # At an offset of our own: what a failed write left behind is written over by the next.
        written = os.pwrite(self._files[self._at], line, self._offset)
        if written < len(line):
            raise OSError("the disk is full")
        self._offset += len(line)
        self._last_seq[self._at] = charge.seq

    def committed(self, through_seq: int) -> None:
        """The database has every charge up to `through_seq`: takes turns and empties what is no longer needed."""
        if self._closed:
            return
        other = 1 - self._at
        if 0 < self._last_seq[other] <= through_seq:
            os.ftruncate(self._files[other], 0)
            self._last_seq[other] = 0
        if self._last_seq[self._at] <= through_seq and self._offset >= TURN_BYTES:
            os.ftruncate(self._files[self._at], 0)
            self._offset = self._last_seq[self._at] = 0
        elif self._offset >= TURN_BYTES and not self._last_seq[other]:
            self._at, self._offset = other, 0

    def close(self) -> None:
        """Closes the files and gives the lock up. The files stay."""
        if self._closed:
            return
        self._closed = True
        for file in (*self._files, self._lock):
            os.close(file)


def _charges(data: bytes) -> Iterable[Charge]:
    for line in data.splitlines(keepends=True):
        charge = _charge(line)
        if charge is None:
            return
        yield charge


def _charge(line: bytes) -> Charge | None:
    body, _, check = line.rpartition(b" ")
    if check != b"%08x\n" % zlib.crc32(body):
        return None
    seq, key_id, task, day, amount = msgspec.json.decode(body, type=tuple[int, str, str, int, int])
    return Charge(seq, key_id, task, day, amount)


def _take_lock(path: Path) -> int:
    handle = open_locked(path)
    if handle is None:
        raise StoreError(
            str(path), "is held by another gateway", "Run one gateway a store, or give this one its own in store.url."
        )
    return handle
