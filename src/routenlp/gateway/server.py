"""Runs both listeners in one event loop, until a signal ends them.

SIGTERM, SIGINT   not ready at once; no new connections; requests in progress go on for `gateway.drain_s`; then the
                  record is committed and closed
SIGHUP            settings and policy are read again
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping

import uvicorn
from starlette.types import ASGIApp

from routenlp.errors import SettingsError
from routenlp.gateway.admin import admin_app
from routenlp.gateway.app import public_app
from routenlp.gateway.assemble import Assembled, assemble, build_live, new_session
from routenlp.gateway.logs import set_up_logs
from routenlp.gateway.protocol import timed_protocol
from routenlp.gateway.reload import Reloader
from routenlp.replay.backtest.threads import one_thread
from routenlp.settings import GatewaySettings, Settings

_LOG = logging.getLogger("routenlp.gateway")
STORE_CLOSES_S = 10.0
Said = Callable[[str, str], None]
"""Told both addresses once they answer: public, admin."""


class _Server(uvicorn.Server):
    """Leaves signals to us: there are two servers, and both must hear them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(read: Callable[[], Settings], environ: Mapping[str, str], said: Said) -> None:
    """Serves until a signal comes. Raises `RouteNlpError` where it cannot start."""
    settings = read()
    with one_thread(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, read, environ, said))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(settings: Settings, read: Callable[[], Settings], environ: Mapping[str, str], said: Said) -> None:
    given = settings.gateway
    public, admin = _listen("port", given.host, given.port), _listen("admin_port", given.admin_host, given.admin_port)
    admin_key = environ.get(given.admin_key_env) or None
    named = [tier.api_key_env for tier in settings.portfolio if tier.api_key_env]
    set_up_logs([value for name in (*named, given.admin_key_env) if (value := environ.get(name))])
    async with new_session() as session:
        assembled = assemble(settings, build_live(settings, environ, session))
        try:
            gateway = assembled.gateway
            reloader = Reloader(assembled, read, environ, session)
            follower = asyncio.create_task(reloader.follow())
            servers = [
                _server(public_app(gateway), given),
                _server(admin_app(gateway, admin_key, reloader), given),
            ]
            listening = list(zip(servers, (public, admin), strict=True))
            async with asyncio.TaskGroup() as group:
                for server, sock in listening:
                    group.create_task(server.serve(sockets=[sock]))
                while not all(server.started for server in servers):
                    await asyncio.sleep(0.005)
                _hear_signals(assembled, servers, reloader)
                gc.collect()
                gc.freeze()  # what was loaded stays: collections need not walk it
                gateway.ready = True
                said(_address(public), _address(admin))
            follower.cancel()
            await gateway.shadows.close()
        finally:
            _close(assembled)


def _server(app: ASGIApp, given: GatewaySettings) -> _Server:
    config = uvicorn.Config(
        app,
        http=timed_protocol(given.header_timeout_s),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=max(1, round(given.drain_s)),
        timeout_keep_alive=75,
    )
    return _Server(config)


def _hear_signals(assembled: Assembled, servers: list[_Server], reloader: Reloader) -> None:
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def end() -> None:
        again = not assembled.gateway.ready
        assembled.gateway.ready = False
        for server in servers:
            server.should_exit = True
            server.force_exit = server.force_exit or again

    def reload() -> None:
        task = loop.create_task(reloader.quietly())
        pending.add(task)
        task.add_done_callback(pending.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload)


def _close(assembled: Assembled) -> None:
    if assembled.record is not None and not assembled.record.close(STORE_CLOSES_S):
        _LOG.error("records were lost: the store did not take them in time")


def _listen(key: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise SettingsError(
            f"gateway.{key}", f"cannot listen on {host}:{port} ({exc.strerror})", "Name a free port, or 0 for any."
        ) from exc
    sock.setblocking(False)
    return sock


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
