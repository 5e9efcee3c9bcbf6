"""Listens on the loopback, and nowhere else."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from routenlp.errors import SettingsError
from routenlp.worker.page.guard import Guarded

LOOPBACK = "127.0.0.1"


def run(answer: Callable[[Request], Awaitable[Response]], *, port: int, said: Callable[[str], None]) -> None:
    """Until a signal. `said` is told the address, once it can be opened."""
    sock = _listen(port)
    bound, token = sock.getsockname()[1], secrets.token_urlsafe(24)
    page = Guarded(answer, token, frozenset({f"{LOOPBACK}:{bound}", f"localhost:{bound}"}))
    # No access log: it would hold the token.
    config = uvicorn.Config(
        page, lifespan="off", log_level="warning", access_log=False, server_header=False, proxy_headers=False, ws="none"
    )
    said(f"http://{LOOPBACK}:{bound}/{token}/")
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
