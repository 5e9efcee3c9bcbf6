"""uvicorn's HTTP protocol, with a limit of time for headers, word of clients that leave, and one write a response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTION = "routenlp.connection"
"""Among a scope's extensions: the `TimedProtocol` that the request came by."""
READ_FIRST_S = 0.01
_HEAD, _CONTINUE, _END = b"HTTP/1.1 ", b"HTTP/1.1 100", b"\r\n\r\n"


class Due:
    """Calls `then` once `limit_s` are over, and what came in that time is read.

    A loop that was busy looks at its timers before its sockets.
    """

    __slots__ = ("_handle", "_loop", "_then")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float, then: Callable[[], None]) -> None:
        self._loop = loop
        self._then = then
        self._handle = loop.call_later(limit_s, self._read_first)

    def cancel(self) -> None:
        """`then` is not called any more."""
        self._handle.cancel()

    def _read_first(self) -> None:
        self._handle = self._loop.call_later(READ_FIRST_S, self._then)


class TimedProtocol(HttpToolsProtocol):
    """Closes a connection whose next request's headers take longer than `header_timeout_s`, from their first byte on.

    A new connection must begin in that time too; between requests uvicorn's keep-alive limit holds.
    """

    header_timeout_s: float
    _headers_due: Due | None = None
    _in_headers = False
    _on_leave: Callable[[], None] | None = None

    @property
    def body_came(self) -> bool:
        """Whether the whole body of the request being served is here. False may also be said of a pipelined one."""
        return not self.cycle.more_body

    def watch(self, on_leave: Callable[[], None] | None) -> None:
        """Has `on_leave` called when the client leaves; None: nobody waits for that any more."""
        self._on_leave = on_leave
        if on_leave is not None:
            self.flow.resume_reading()  # a large body stopped it, and what is not read does not end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came."""
        super().connection_made(transport)
        self.transport = Joining(transport, self.loop)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """It left."""
        self._headers_came()
        super().connection_lost(exc)
        if self._on_leave is not None:
            self._on_leave()

    def data_received(self, data: bytes) -> None:
        """Something of a request came, and mostly all of it: then no timer is needed."""
        super().data_received(data)
        if self._in_headers and self._headers_due is None:
            self._wait_for_headers()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_headers = True
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """The request may begin."""
        self._in_headers = False
        self._headers_came()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        self._headers_due = Due(self.loop, self.header_timeout_s, self._late)

    def _headers_came(self) -> None:
        due, self._headers_due = self._headers_due, None
        if due is not None:
            due.cancel()

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def timed_protocol(header_timeout_s: float) -> type[TimedProtocol]:
    """A protocol with this limit."""
    return type("TimedProtocol", (TimedProtocol,), {"header_timeout_s": header_timeout_s})


class Joining(asyncio.Transport):
    """Holds a response's head until its body follows, at most to the end of the loop's round: one call of the system
    for both, and one packet that wakes the client.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: Any) -> None:
        """As the transport's."""
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(_HEAD) and data.endswith(_END) and not data.startswith(_CONTINUE):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """As the transport's."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As the transport's."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport's."""
        return self._transport.get_extra_info(name, default)

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)
