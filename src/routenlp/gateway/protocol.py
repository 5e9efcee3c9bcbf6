"""uvicorn's HTTP protocol with a limit of time for headers: a connection that dawdles is closed."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def timed_protocol(header_timeout_s: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection whose next request's headers take longer, counted from their first byte.

    A new connection must begin in that time too; between requests uvicorn's keep-alive limit holds.
    """

    class TimedProtocol(HttpToolsProtocol):
        _headers_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_came()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._headers_due is None:
                self._wait_for_headers()

        def on_headers_complete(self) -> None:
            self._headers_came()
            super().on_headers_complete()

        def _wait_for_headers(self) -> None:
            self._headers_due = self.loop.call_later(header_timeout_s, self._late)

        def _headers_came(self) -> None:
            due, self._headers_due = self._headers_due, None
            if due is not None:
                due.cancel()

        def _late(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return TimedProtocol
