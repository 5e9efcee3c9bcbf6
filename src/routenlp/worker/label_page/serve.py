"""Listens on the loopback, and nowhere else."""

from __future__ import annotations

import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence

import uvicorn

from routenlp.errors import SettingsError
from routenlp.settings import Settings
from routenlp.store.content import ContentPolicy
from routenlp.worker.label_page.app import LabelPage
from routenlp.worker.label_page.queue import Queue

LOOPBACK = "127.0.0.1"


def run(
    connection: sqlite3.Connection,
    names: Sequence[str],
    settings: Settings,
    *,
    port: int,
    grader: str,
    said: Callable[[str, int], None],
) -> None:
    """Until a signal. `said` is told the address and how many queries wait, once it can be opened."""
    sock = _listen(port)
    bound, token = sock.getsockname()[1], secrets.token_urlsafe(24)
    page = LabelPage(
        connection,
        Queue(connection, names),
        {name: task.metric for name, task in settings.tasks.items()},
        ContentPolicy(settings.content.store, settings.content.retain_days, settings.content.redact),
        settings.judge is not None,
        grader,
        token,
        frozenset({f"{LOOPBACK}:{bound}", f"localhost:{bound}"}),
        time.time,
    )
    # No access log: it would hold the token.
    config = uvicorn.Config(
        page, lifespan="off", log_level="warning", access_log=False, server_header=False, proxy_headers=False, ws="none"
    )
    said(f"http://{LOOPBACK}:{bound}/{token}/", len(names))
    uvicorn.Server(config).run(sockets=[sock])


def _listen(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK, port))
    except (OSError, OverflowError) as exc:
        sock.close()
        raise SettingsError("--port", f"is {port}, which cannot be listened on ({exc})", "Name another, or 0.") from exc
    # Listening before the address is told: whoever opens it at once is queued, and not refused.
    sock.listen()
    return sock
