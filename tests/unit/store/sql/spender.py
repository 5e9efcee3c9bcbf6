"""A process that spends and records until it is killed, and tells its parent what it was promised.

`python spender.py STORE PAUSE_S`: a line `charge NANOS` after each settlement, `trace ID SECONDS WAITING` after each
put, with how many traces were not on disk yet.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.unit.store.sql.made import made_trace

from routenlp.store.content import ContentPolicy
from routenlp.store.sql.budgets import Reservation
from routenlp.store.sql.opening import open_record
from routenlp.store.sql.records import new_trace_id


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def spend_until_killed(store: Path, pause_s: float) -> None:
    say("begin")
    record = open_record(store, task_budgets={}, content=ContentPolicy())
    say("open")
    while True:
        held = record.ledger.reserve("key_a", "intent", 2e-3, time.time())
        assert isinstance(held, Reservation)
        record.ledger.settle(held, 1.1e-3)
        say("charge 1100000")
        name = new_trace_id(time.time(), os.urandom(10))
        if record.writer.put(made_trace(name, at_s=time.time())):
            say(f"trace {name} {time.monotonic()} {record.writer.depth}")
        time.sleep(pause_s)


if __name__ == "__main__":
    spend_until_killed(Path(sys.argv[1]), float(sys.argv[2]))
