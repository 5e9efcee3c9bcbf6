"""Clients that dawdle, and those that leave before they have said all."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from tests.gateway.running import until

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture
def dial(gateway):
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=5))


def drip(sock: socket.socket, data: bytes, *, pause_s: float) -> float:
    """Sends a byte a time until nobody listens any more; how long that took."""
    begun_s = time.monotonic()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(pause_s)
    return time.monotonic() - begun_s


def said(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_headers_that_drip_are_not_waited_for(dial):
    sock = dial()
    assert drip(sock, HEAD + b"x-filler: " + b"a" * 200, pause_s=0.05) < 4, "closed after header_timeout_s: 1"
    assert said(sock) == b""


def test_a_body_that_drips_is_not_waited_for(dial):
    sock = dial()
    sock.sendall(HEAD + b"content-length: 500\r\n\r\n")
    assert drip(sock, b" " * 30, pause_s=0.05) < 4
    assert said(sock).startswith(b"HTTP/1.1 408"), "body_timeout_s: 1, however many bytes come"


def test_chunks_that_drip_are_not_waited_for(dial):
    sock = dial()
    sock.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    assert drip(sock, b"1\r\n \r\n" * 6, pause_s=0.05) < 4
    assert said(sock).startswith(b"HTTP/1.1 408")


def test_dawdlers_do_not_keep_others_waiting(dial, client, stub):
    for _ in range(200):
        dial().sendall(HEAD)
    begun_s = time.monotonic()
    answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "hello from top-model"
    assert time.monotonic() - begun_s < 2


def test_who_leaves_in_the_middle_of_a_body_costs_nothing(gateway, dial, stub):
    before = gateway.log.read_text()
    sock = dial()
    sock.sendall(HEAD + b'content-length: 500\r\n\r\n{"model": "auto",')
    sock.close()
    assert until(lambda: gateway.get(f"{gateway.url}/health/live", key=None) != "")
    assert stub.asked == []
    assert gateway.log.read_text() == before, "nothing to tell"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_or_closed(dial, stub, request_):
    sock = dial()
    sock.sendall(request_)
    answer = said(sock)
    assert answer == b"" or b" 4" in answer.split(b"\r\n", 1)[0]
    assert stub.asked == []
