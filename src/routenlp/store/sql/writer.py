"""The writer: one thread that commits what requests put on a bounded queue, many at a time.

`put` takes about a microsecond and never waits. The thread commits a record at most `EVERY_S` after it was put, unless
the disk is slower; a batch is one transaction with one sync. A store that fails or is full makes the queue fill and
then drops records, counted, audits apart; requests go on. Charges are never dropped: the ledger keeps them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

import msgspec

from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.budgets import Ledger, PendingSpend
from routenlp.store.sql.database import transaction
from routenlp.store.sql.records import Record, TraceRecord
from routenlp.store.sql.rows import Row, rows_of

EVERY_S = 0.02
IDLE_S = 1.0
"""With nothing put, the thread looks so often for charges, and for content that is too old."""
BATCH = 4096
SWEEP_EVERY_S = 3600.0
SWEEP_ROWS = 500
CONTENT_BYTES = 64 << 20
"""Content that waits for the thread; more is left out, and the trace stored without it."""


class RecordWriter:
    """Owns the connection that writes. `put` from any thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        ledger: Ledger | None = None,
        content: ContentPolicy = ContentPolicy(),  # noqa: B008  (frozen)
        capacity: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts the thread. `capacity`: records that may wait; `clock`: seconds since 1970."""
        self._connection = connection
        self._ledger = ledger
        self.content = content
        """May be replaced when settings are reloaded."""
        self._capacity = capacity
        self._clock = clock
        self._queue: deque[Record] = deque()
        self._batch: list[Record] = []
        self._content_bytes = 0
        self._first_put_s = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._swept_s = 0.0
        self._told = (0, 0)
        self.dropped = 0
        """Records that were not stored, since the start."""
        self.dropped_audits = 0
        """Those of them that were audits. What audits estimate must count these as missing."""
        self.left_out_content = 0
        """Traces stored without their content, for want of memory."""
        self.failure: str | None = None
        """What the last commit failed with; None while all is well."""
        self._thread = threading.Thread(target=self._run, name="routenlp-record", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Records that wait: all that were taken, and are not on disk yet."""
        with self._lock:
            return len(self._queue) + len(self._batch)

    @property
    def running(self) -> bool:
        """Whether the thread may still commit."""
        return self._thread.is_alive()

    def put(self, record: Record) -> bool:
        """Whether `record` was taken. False: the queue is full or closed, and it is counted as dropped."""
        with self._lock:
            if self._closing or len(self._queue) >= self._capacity:
                self._count_dropped(record)
                return False
            if not self._queue:
                self._first_put_s = time.monotonic()
            self._queue.append(self._weighed(record))
        if not self._wake.is_set():
            self._wake.set()
        return True

    def lost(self, *, audited: bool) -> None:
        """Counts a record that could not even be made as dropped."""
        with self._lock:
            self._add_dropped(audited=audited)

    def close(self, timeout_s: float) -> bool:
        """Commits what waits and ends the thread; whether all was stored in time. Then nothing can be put any more."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._connection.close()
        return not self.depth and self.failure is None

    def _weighed(self, record: Record) -> Record:
        """The record, without its content where too much of that waits already."""
        size = _content_bytes(record)
        if not size:
            return record
        if self._content_bytes + size > CONTENT_BYTES:
            self.left_out_content += 1
            assert isinstance(record, TraceRecord)
            return msgspec.structs.replace(record, content=None)
        self._content_bytes += size
        return record

    def _count_dropped(self, record: Record) -> None:
        self._add_dropped(audited=isinstance(record, TraceRecord) and record.audited)

    def _add_dropped(self, *, audited: bool) -> None:
        self.dropped += 1
        self.dropped_audits += audited

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            self._wait(pause_s)
            closing = self._closing
            try:
                self._commit_one()
                self.failure, pause_s = None, 0.0
            except sqlite3.Error as exc:
                # Full disk, a lock held too long, a damaged file: keep what waits, try again, less and less often.
                self.failure = str(exc)
                pause_s = min(2.0 * pause_s or 0.05, 2.0)
            if closing and (self.failure is not None or not self._queue):
                return

    def _wait(self, pause_s: float) -> None:
        if self._closing:
            return
        if pause_s:
            time.sleep(pause_s)
        elif self._wake.wait(IDLE_S):
            rest_s = self._first_put_s + EVERY_S - time.monotonic()
            if rest_s > 0 and len(self._queue) < BATCH:
                time.sleep(min(rest_s, EVERY_S))

    def _commit_one(self) -> None:
        """One batch, one transaction. A batch is forgotten when it is on disk, and not before."""
        self._wake.clear()
        if not self._batch:
            self._take()
        pending = self._ledger.take_pending() if self._ledger else None
        now_s = self._clock()
        try:
            self._store(pending, now_s)
        except BaseException:
            if self._ledger and pending:
                self._ledger.give_back(pending)
            raise
        self._batch = []
        if self._ledger and pending and pending.sums:
            self._ledger.committed(pending)

    def _take(self) -> None:
        with self._lock:
            self._batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._content_bytes -= sum(map(_content_bytes, self._batch))
            if self._queue:
                self._wake.set()

    def _store(self, pending: PendingSpend | None, now_s: float) -> None:
        rows = self._rows()
        lost = (self.dropped, self.dropped_audits)
        sweeps = now_s - self._swept_s >= SWEEP_EVERY_S
        if not (rows or sweeps or lost != self._told or (pending and pending.sums)):
            return
        with transaction(self._connection):
            for table, found in rows.items():
                _insert(self._connection, table, found)
            if pending and pending.sums:
                charges = [(*key, count, amount) for key, (count, amount) in pending.sums.items()]
                self._connection.executemany(statements.ADD_SPEND, charges)
                self._connection.execute(statements.SET_COUNTER, (pending.through_seq, "charges_through"))
            if lost != self._told:
                missing = (now_s, lost[0] - self._told[0], lost[1] - self._told[1])
                self._connection.execute(statements.INSERT_DROPPED, missing)
            if sweeps:
                oldest_s = self.content.oldest_kept_s(now_s)
                swept = self._connection.execute(statements.SWEEP_CONTENT, (oldest_s, SWEEP_ROWS)).rowcount
        self._told = lost
        # A full sweep means that there is more: the next round goes on.
        if sweeps and swept < SWEEP_ROWS:
            self._swept_s = now_s

    def _rows(self) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = defaultdict(list)
        kept = []
        for record in self._batch:
            try:
                made = rows_of(record, self.content)
            except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
                # One record that cannot be stored must not keep the others from it.
                self._count_dropped(record)
                continue
            kept.append(record)
            for table, row in made:
                rows[table].append(row)
        self._batch = kept
        return rows


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """In chunks of the sizes for which there is a statement, the largest first."""
    begin = 0
    for size, statement in statements.INSERTS[table].items():
        while len(rows) - begin >= size:
            connection.execute(statement, [value for row in rows[begin : begin + size] for value in row])
            begin += size


def _content_bytes(record: Record) -> int:
    return record.content.size_bytes if isinstance(record, TraceRecord) and record.content else 0
