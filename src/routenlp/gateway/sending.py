"""Reads bodies and writes responses, straight on ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from routenlp.gateway.errors import ApiError
from routenlp.gateway.protocol import CONNECTION, Due, TimedProtocol

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


class ClientLeft(Exception):
    """Nobody waits for the response any more."""


async def read_body(
    scope: Mapping[str, Any], receive: Receive, headers: Mapping[bytes, bytes], *, most_bytes: int, within_s: float
) -> bytes:
    """The whole body; raises `ApiError` 413 or 408, and `ClientLeft`. A body that is too large is not read on."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    connection: TimedProtocol = scope["extensions"][CONNECTION]
    if connection.body_came:
        return await _read(receive, most_bytes)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            # It ends in the next round: what was read in this one has its turn before.
            late = Due(loop, within_s, lambda: limit.reschedule(loop.time()))
            try:
                return await _read(receive, most_bytes)
            finally:
                late.cancel()
    except TimeoutError as exc:
        raise ApiError(408, f"The body took longer than {within_s:g} s.", code="request_timeout") from exc


async def _read(receive: Receive, most_bytes: int) -> bytes:
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        parts.append(_body(message))
        size += len(parts[-1])
        if size > most_bytes:
            raise _too_large(most_bytes)
        more = message.get("more_body", False)
    return b"".join(parts)


def _body(message: Mapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    return body


def _too_large(most_bytes: int) -> ApiError:
    return ApiError(
        413, f"The body is larger than {most_bytes} bytes.", code="request_too_large", headers={"connection": "close"}
    )


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A response of known length."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: ApiError, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """In OpenAI's shape."""
    own = [(name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items()]
    await send_whole(send, error.status, [JSON, *own, *headers], error.body)


async def begin_stream(send: Send, headers: Headers) -> None:
    """Status 200 and headers; from here on errors are events."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_part(send: Send, data: bytes, *, more: bool) -> None:
    """A piece of the stream."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


class Presence:
    """Cancels the task that serves a request as soon as its client leaves.

    To be used once the body is read: `with Presence(scope): ...` raises `ClientLeft` in place of the cancellation. A
    cancellation from elsewhere, such as the end of draining, passes through.
    """

    __slots__ = ("_connection", "_left", "_serving")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._connection: TimedProtocol = scope["extensions"][CONNECTION]
        self._left = False

    def __enter__(self) -> None:
        serving = asyncio.current_task()
        assert serving is not None  # we run in one
        self._serving = serving
        self._connection.watch(self._leave)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.watch(None)
        if self._left and kind is asyncio.CancelledError and self._serving.uncancel() == 0:
            raise ClientLeft

    def _leave(self) -> None:
        self._left = True
        self._serving.cancel()
