"""One write a response: what is held of it, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from routenlp.gateway.protocol import Joining

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


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
