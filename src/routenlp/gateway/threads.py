"""A few threads for work that would hold up the event loop, with a bounded queue before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from traceback import extract_tb
from typing import TypeVar

from routenlp.backends.remote.failures import Kind, UpstreamError

T = TypeVar("T")
COME_BACK_S = 1.0
"""What a caller is told who finds the queue full."""


class Threads:
    """Of one tier. They end when nobody holds this object any more."""

    def __init__(self, tier: str, *, threads: int, most_waiting: int) -> None:
        """`most_waiting`: calls that may wait while every thread is busy."""
        self._tier = tier
        self._most_waiting = most_waiting
        self._room = Semaphore(threads + most_waiting)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"tier-{tier}")

    async def run(self, work: Callable[[], T], *, limit_s: float) -> T:
        """What `work` gives, within `limit_s`; raises `UpstreamError`.

        Work that waits when its time is over or its caller leaves is never begun. Work in progress cannot be broken
        off: its result is thrown away, and its thread is busy until then.
        """
        if not self._room.acquire(blocking=False):
            problem, remedy = f"is busy: {self._most_waiting} queries wait for it", "Give it more threads."
            raise UpstreamError(self._tier, Kind.STATUS, problem, status=429, retry_after_s=COME_BACK_S, remedy=remedy)
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._room.release())
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as exc:
            problem = f"gave no answer within {limit_s:.3g} s"
            raise UpstreamError(
                self._tier, Kind.TIMEOUT, problem, remedy="Give it more threads, or more time."
            ) from exc
        except Exception as exc:
            problem = f"failed ({type(exc).__name__})"
            raise UpstreamError(self._tier, Kind.GARBAGE, problem, remedy=f"It is a fault {_place(exc)}.") from exc


def _place(error: Exception) -> str:
    """Where it was raised, for the log; what it says may hold words of a query."""
    last = extract_tb(error.__traceback__)[-1]
    return f"in {Path(last.filename).name}, line {last.lineno}"
