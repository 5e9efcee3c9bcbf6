"""Whether this worker leads: its lease is renewed beside whatever it does, however long that takes."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from routenlp.store.sql import leases
from routenlp.store.sql.database import open_store
from routenlp.store.sql.leases import LEASE_S, WORKER

_LOG = logging.getLogger("routenlp.worker")


class Leader:
    """To be entered in the event loop; gives the lease up at the end."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._leads = False

    async def __aenter__(self) -> Leader:
        self._connection = open_store(self._store)
        self._renew()
        self._renewing = asyncio.create_task(self._renew_on())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing
        with suppress(sqlite3.Error):
            leases.end(self._connection, WORKER, self._name)
        self._connection.close()

    def why_not(self) -> str | None:
        """None: this worker is to work now. Else why it waits, in words."""
        if not self._leads:
            self._renew()
        if not self._leads:
            return "Another worker leads; this one waits."
        stopped = leases.paused(self._connection, WORKER)
        return f"Paused by {stopped.by}; `routenlp worker --resume` goes on." if stopped is not None else None

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3.0)
            self._renew()

    def _renew(self) -> None:
        before = self._leads
        try:
            self._leads = leases.take(self._connection, WORKER, self._name, now_s=time.time())
        except sqlite3.OperationalError as exc:
            self._leads = False
            _LOG.warning("the worker's lease could not be renewed: %s", exc)
        if self._leads and not before:
            _LOG.info("this worker leads")
