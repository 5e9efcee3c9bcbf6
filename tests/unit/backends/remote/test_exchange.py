"""One POST on a kept connection, against a server of bare bytes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from routenlp.backends.remote.exchange import Address
from routenlp.backends.remote.failures import is_unanswered
from routenlp.backends.remote.upstream import connector
from routenlp.gateway.assemble import new_session

OK = b"HTTP/1.1 200 OK\r\ncontent-type: Application/JSON; charset=utf-8\r\ncontent-length: 5\r\n\r\nhello"


class Wire:
    """Answers every request with `answer`."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.ended = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(1 << 16):
            self.requests.append(data)
            writer.write(self.answer)
        writer.close()
        await writer.wait_closed()
        self.ended += 1

    @asynccontextmanager
    async def address(self, session: aiohttp.ClientSession | None = None):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with session or new_session() as session:
            yield Address(f"http://127.0.0.1:{port}/v1/chat", {"Authorization": "Bearer k"}, session, 5.0)
        server.close()
        while self.ended < self.connections:
            await asyncio.sleep(0.001)


def asked_twice(answer: bytes, *, read: bool) -> tuple[Wire, list[bytes]]:
    wire, bodies = Wire(answer), []

    async def ask() -> None:
        async with wire.address() as address:
            for _ in range(2):
                reply = await address.post(b"{}")
                assert (reply.status, reply.content_type) == (200, "application/json")
                if read:
                    bodies.append(await reply.content.read())
                reply.release()

    asyncio.run(ask())
    return wire, bodies


def test_an_answer_that_was_read_leaves_its_connection_to_the_next():
    wire, bodies = asked_twice(OK, read=True)
    assert (wire.connections, bodies) == (1, [b"hello", b"hello"])


def test_an_answer_that_has_not_all_come_closes_its_connection():
    wire, _ = asked_twice(OK.removesuffix(b"o"), read=False)
    assert wire.connections == 2


def test_hints_before_the_answer_are_passed_over():
    _, bodies = asked_twice(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, read=True)
    assert bodies == [b"hello", b"hello"]


def test_the_request_says_no_more_than_an_endpoint_needs():
    wire, _ = asked_twice(OK, read=True)
    head, _, body = wire.requests[1].partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    assert (line, body) == ("POST /v1/chat HTTP/1.1", b"{}")
    assert {field.partition(":")[0].lower() for field in fields} == {
        "host",
        "accept",
        "accept-encoding",
        "authorization",
        "content-type",
        "content-length",
    }


def broken_off(connections: int) -> list[bool]:
    """Of two posts over so many connections, that get no answer and are broken off: whether each is left unanswered."""

    async def left(address: Address) -> bool:
        with pytest.raises(asyncio.CancelledError) as caught:
            await address.post(b"{}")
        return is_unanswered(caught.value)

    async def ask() -> list[bool]:
        few = aiohttp.ClientSession(connector=connector(connections))
        async with Wire(b"").address(few) as address:
            posts = [asyncio.create_task(left(address)) for _ in range(2)]
            await asyncio.sleep(0.1)
            for post in posts:
                post.cancel()
            return await asyncio.gather(*posts)

    return asyncio.run(ask())


def test_a_request_that_was_sent_is_left_unanswered():
    assert broken_off(2) == [True, True]


def test_a_request_that_waits_for_a_connection_was_never_sent():
    assert broken_off(1) == [True, False]
