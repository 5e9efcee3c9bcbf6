"""Durable rows a second of the record writer beside bare SQLite, and what one request costs the gateway.

Both sides write the same rows to a new file with a sync at each commit, in turns, so that what else the machine does
touches both. Bare SQLite gets its rows ready made; the writer is given records and makes them.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from msgspec.structs import replace

from routenlp.bench.frame import at_most
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import statements
from routenlp.store.sql.budgets import Reservation
from routenlp.store.sql.database import open_store
from routenlp.store.sql.money import Budget
from routenlp.store.sql.opening import OpenRecord, open_record
from routenlp.store.sql.records import StepRecord, TraceRecord, new_trace_id
from routenlp.store.sql.rows import rows_of

NOW_S = 1_700_000_000.0
KEY = "key_0123456789ab"
BARE_BATCH = 1_000
PACED, PACED_PER_S = 1_000, 1_000.0
CPU_TARGET_US = 150.0
"""A sixth of the 900 that a request may cost the gateway in all."""
RATIO_TARGET = 2.0

_TRACE = TraceRecord(
    id="",
    at_s=NOW_S,
    task="intent",
    policy_version="f" * 64,
    status="CERTIFIED",
    outcome="ok",
    first_tier="small",
    tier="large",
    steps=(
        StepRecord("small", 120, 10, 1e-5, 0.31, score=0.41, threshold=0.2),
        StepRecord("large", 120, 12, 1e-3, 0.92, accepted=True),
    ),
    cost_usd=1.01e-3,
    latency_s=1.23,
    overhead_s=4e-4,
    completion_id="chatcmpl-0123456789abcdef",
    key_id=KEY,
    reason="the top tier answered",
    route_reason="worth most by expected utility",
    estimates={"small": 0.81, "large": 0.93},
    propensities={"small": 0.95, "large": 0.05},
    features_hash="a" * 64,
    top_cost_usd=1e-3,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of both sides."""

    bare_rows_per_s: float
    rows_per_s: float
    reserve_us: float
    """Processor time in the request's own thread, as the next two."""
    settle_us: float
    put_us: float
    paced_cpu_us: float
    """Processor time of the whole process for one request out of `PACED_PER_S` a second: all three, and the thread's
    commits, which are dearer when each holds few rows. The pacing itself is taken off."""
    dropped: int


def run(folder: Path, *, rows: int, turns: int, advance: Callable[[int, int], None]) -> list[Turn]:
    """`turns` rounds of `rows` rows each, in new files under `folder`, which must exist."""
    found = []
    for turn in range(turns):
        records = [replace(_TRACE, id=new_trace_id(NOW_S, turn.to_bytes(2) + i.to_bytes(8))) for i in range(rows)]
        bare = _bare(folder / f"bare-{turn}.db", records)
        found.append(_turn(folder, turn, records, bare))
        advance(turn + 1, turns)
    return found


def checks(found: list[Turn]) -> list[dict[str, object]]:
    """What the bench promises."""
    return [
        at_most("times bare SQLite is faster", median(found, lambda t: t.bare_rows_per_s / t.rows_per_s), RATIO_TARGET),
        at_most("processor time of one request, us", median(found, lambda t: t.paced_cpu_us), CPU_TARGET_US),
        at_most("records dropped", sum(t.dropped for t in found), 0),
    ]


def median(found: list[Turn], of: Callable[[Turn], float]) -> float:
    """Over the turns."""
    return statistics.median(map(of, found))


def _turn(folder: Path, turn: int, records: list[TraceRecord], bare_rows_per_s: float) -> Turn:
    record = _opened(folder / f"store-{turn}.db", len(records))
    clock = time.thread_time
    times_s = [clock()]
    held = [record.ledger.reserve(KEY, "intent", 2e-3, NOW_S) for _ in records]
    times_s.append(clock())
    for one in held:
        assert isinstance(one, Reservation)
        record.ledger.settle(one, 1.01e-3)
    times_s.append(clock())
    began_s = time.perf_counter()
    for trace in records:
        record.writer.put(trace)
    times_s.append(clock())
    record.close(120.0)
    seconds = time.perf_counter() - began_s
    reserve_us, settle_us, put_us = ((after - before) / len(records) * 1e6 for before, after in pairwise(times_s))
    paced_us = _paced_us(folder / f"paced-{turn}.db", records[:PACED])
    return Turn(bare_rows_per_s, len(records) / seconds, reserve_us, settle_us, put_us, paced_us, record.writer.dropped)


def _paced_us(path: Path, records: list[TraceRecord]) -> float:
    """Processor time that a request's record takes at `PACED_PER_S`, less that of a loop which records nothing."""
    record = _opened(path, len(records))

    def serve(trace: TraceRecord) -> None:
        held = record.ledger.reserve(KEY, "intent", 2e-3, NOW_S)
        assert isinstance(held, Reservation)
        record.ledger.settle(held, 1.01e-3)
        record.writer.put(trace)

    idle_s = _paced_s(records, lambda _: None)
    recorded_s = _paced_s(records, serve)
    record.close(120.0)
    return (recorded_s - idle_s) / len(records) * 1e6


def _paced_s(records: list[TraceRecord], serve: Callable[[TraceRecord], None]) -> float:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for number, trace in enumerate(records):
        serve(trace)
        time.sleep(max(0.0, began_s + (number + 1) / PACED_PER_S - time.perf_counter()))
    return time.process_time() - cpu_s


def _opened(path: Path, capacity: int) -> OpenRecord:
    return open_record(path, task_budgets={"intent": Budget(1e6)}, content=ContentPolicy(), capacity=capacity)


def _bare(path: Path, records: list[TraceRecord]) -> float:
    """Rows a second of `executemany` alone."""
    made = [rows_of(record, ContentPolicy())[0][1] for record in records]
    connection: sqlite3.Connection = open_store(path)
    statement = statements.INSERTS["traces"][1]
    began_s = time.perf_counter()
    for at in range(0, len(made), BARE_BATCH):
        connection.execute("BEGIN")
        connection.executemany(statement, made[at : at + BARE_BATCH])
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began_s
    connection.close()
    return len(made) / seconds
