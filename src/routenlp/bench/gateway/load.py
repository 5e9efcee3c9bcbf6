"""A client that costs next to nothing: kept connections, one request after the other on each, times of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_LENGTH = b"\r\ncontent-length:"
"""At the beginning of a line: some gateways repeat an endpoint's headers under longer names."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one run saw."""

    seconds: float
    latencies_s: tuple[float, ...]
    refused: int
    """Responses of another status than 200."""


class _Client(asyncio.Protocol):
    """Sends the next request when the last response is complete."""

    def __init__(self, take: Callable[[], bytes | None], times: list[float], refused: list[int]) -> None:
        self._take = take
        self._times = times
        self._refused = refused
        self._data = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def _next(self) -> None:
        request = self._take()
        if request is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._begun_s = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        at = head.find(_LENGTH)
        if at >= 0:
            whole = len(self._data) >= end + 4 + int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        else:
            whole = self._data.endswith(b"0\r\n\r\n")
        if whole:
            self._times.append(time.perf_counter() - self._begun_s)
            if not self._data.startswith(b"HTTP/1.1 200"):
                self._refused.append(1)
            self._data = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))


def request_bytes(url: str, body: bytes, key: str, headers: Mapping[str, str] = {}) -> bytes:
    """A POST of chat completions on a kept connection."""
    host = urlsplit(url).netloc
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\n{more}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _drive(url: str, requests: Sequence[bytes], connections: int) -> Loaded:
    left = iter(requests)
    times: list[float] = []
    refused: list[int] = []
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    loop = asyncio.get_running_loop()
    begun_s = time.perf_counter()
    clients = [
        await loop.create_connection(lambda: _Client(lambda: next(left, None), times, refused), host, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for _, client in clients))
    return Loaded(time.perf_counter() - begun_s, tuple(times), len(refused))


def load(url: str, bodies: Sequence[bytes], connections: int, key: str, headers: Mapping[str, str] = {}) -> Loaded:
    """Sends every body once over so many connections, and waits for all answers."""
    import uvloop

    requests = [request_bytes(url, body, key, headers) for body in bodies]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_drive(url, requests, connections))
