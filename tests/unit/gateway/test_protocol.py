"""One write a response: what is held of it, and for how long. Limits of time are the client's, not the loop's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
import uvloop

from routenlp.gateway.errors import ApiError
from routenlp.gateway.protocol import Joining, timed_protocol
from routenlp.gateway.sending import read_body, send_error

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"
BODY_S = 0.05


class Socket(asyncio.Transport):
    """Remembers what was written, and in how many pieces."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.sent.append(b"closed")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        pytest.param([HEAD, b"{}"], [HEAD + b"{}"], id="head and body"),
        pytest.param([HEAD, None, b"{}"], [HEAD, b"{}"], id="a body that comes later"),
        pytest.param([CONTINUE, HEAD, b"{}"], [CONTINUE, HEAD + b"{}"], id="a client that waits to be told"),
        pytest.param([HEAD], [HEAD, b"closed"], id="closed before a body came"),
        pytest.param([HEAD, b"a", b"b"], [HEAD + b"a", b"b"], id="more of a body"),
    ],
)
def test_a_head_waits_for_its_body_and_no_longer_than_the_round(written, sent):
    socket = Socket()

    async def write() -> None:
        transport = Joining(socket, asyncio.get_running_loop())
        for data in written:
            if data is None:
                await asyncio.sleep(0)
            else:
                transport.write(data)
        if sent[-1] == b"closed":
            transport.close()

    asyncio.run(write())
    assert socket.sent == sent


async def says_ok(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def others(loop: asyncio.AbstractEventLoop, meanwhile: Callable[[], None], busy_s: float) -> Iterator[None]:
    """Another connection keeps the loop busy for so long, from its next round on; `meanwhile` is done in that time."""
    here, there = socket.socketpair()

    def read() -> None:
        here.recv(1)
        meanwhile()
        time.sleep(busy_s)

    loop.add_reader(here, read)
    there.send(b"x")
    try:
        yield
    finally:
        loop.remove_reader(here)
        here.close()
        there.close()


def all_said(client: socket.socket) -> bytes:
    client.settimeout(5)
    try:
        return client.recv(1 << 16)
    except ConnectionResetError:
        return b""


def answer_to(sent: bytes, header_timeout_s: float, busy_s: float, *, head: bytes = b"", then_busy_s: float = 0.0):
    """What a client reads that connects, and sends all of `sent` while the server's loop is busy with other things.

    `head`: headers that came before, so that the body is waited for. `then_busy_s`: for so long once `sent` was read.
    """

    async def serve() -> bytes:
        waits = asyncio.Event()

        class Noticed(timed_protocol(header_timeout_s)):  # type: ignore[misc]
            def connection_made(self, transport) -> None:
                super().connection_made(transport)
                if not head:
                    waits.set()

            def data_received(self, data) -> None:
                super().data_received(data)
                if waits.is_set():
                    time.sleep(then_busy_s)

        async def reads_body(scope, receive, send) -> None:
            waits.set()
            try:
                await read_body(scope, receive, dict(scope["headers"]), most_bytes=100, within_s=BODY_S)
            except ApiError as error:
                await send_error(send, error)
            else:
                await says_ok(scope, receive, send)

        config = uvicorn.Config(reads_body, http=Noticed, lifespan="off", log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        made = await loop.create_server(lambda: Noticed(config, state, {}), "127.0.0.1", 0)
        with socket.create_connection(made.sockets[0].getsockname()) as client:
            client.sendall(head)
            await waits.wait()
            with others(loop, lambda: client.sendall(sent), busy_s):
                said = await asyncio.to_thread(all_said, client)
        made.close()
        return said

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve())


def test_headers_that_came_in_time_are_read_however_busy_the_loop_was():
    assert answer_to(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 0.05, busy_s=0.2).startswith(b"HTTP/1.1 200")


def test_headers_that_do_not_end_are_not_waited_for():
    assert answer_to(b"GET / HTTP/1.1\r\nhost:", 0.05, busy_s=0.0) == b""


@pytest.mark.parametrize("then_busy_s", [0.0, 0.1], ids=["read", "read, and its reader had no turn"])
def test_a_body_that_came_in_time_is_read_however_busy_the_loop_was(then_busy_s):
    said = answer_to(b"hello", 5.0, busy_s=0.2, head=POST, then_busy_s=then_busy_s)
    assert said.startswith(b"HTTP/1.1 200")


def test_a_body_that_does_not_end_is_not_waited_for():
    assert answer_to(b"hel", 5.0, busy_s=0.0, head=POST).startswith(b"HTTP/1.1 408")
