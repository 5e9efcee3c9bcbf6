"""Bad clients, bad upstreams, and those that leave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import openai
import pytest
from aiohttp import web
from tests.gateway.running import until
from tests.gateway.stub import chunks, completion, raw, silent, status, streamed

HELLO = [{"role": "user", "content": "hello"}]
PATH = "/v1/chat/completions"


def post(gateway, body: bytes, *, head: str = "", length: int | None = None, wait_s: float = 10.0) -> tuple[int, dict]:
    """Status and body of a request written by hand."""
    size = len(body) if length is None else length
    request = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n{head}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=wait_s) as sock:
        sock.sendall(request.encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(body)
        answer = b""
        while data := sock.recv(1 << 16):
            answer += data
    head_bytes, _, rest = answer.partition(b"\r\n\r\n")
    return int(head_bytes.split()[1]), json.loads(rest)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "auto"}',
        b'{"model": "auto", "messages": []}',
        b'{"model": "auto", "messages": "hello"}',
        b'{"model": "auto", "messages": [{"content": "no role"}]}',
        b'{"model": 7, "messages": [{"role": "user", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "n": 0}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "x": ' + b"[" * 5000,
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}]} trailing',
    ],
)
def test_a_malformed_body_is_the_clients_error(gateway, stub, body):
    code, answer = post(gateway, body)
    assert code == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert stub.asked == []


def test_a_body_that_is_too_large_is_refused_by_its_length_alone(gateway):
    code, answer = post(gateway, b"x", length=50 << 20)
    assert (code, answer["error"]["code"]) == (413, "request_too_large")


def test_a_chunked_body_that_is_too_large_is_refused(gateway):
    request = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.sendall(request)
        piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        answer = b""
        try:
            for _ in range(50):
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = sock.recv(1 << 16)
        except ConnectionResetError:
            answer = b"HTTP/1.1 413"
    assert answer.startswith(b"HTTP/1.1 413")


def test_dawdling_headers_and_bodies_are_cut_short(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n".encode())
        assert sock.recv(100) == b"", "headers took too long: closed"
    code, answer = post(gateway, b"{", length=100)
    assert (code, answer["error"]["code"]) == (408, "request_timeout")


def test_other_paths_and_methods(gateway):
    import urllib.error

    for path, code in (("/nope", 404), (PATH, 405), ("/v1/feedback", 405), ("/metrics", 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            gateway.get(gateway.url + path)
        assert caught.value.code == code
        assert "error" in json.loads(caught.value.read())
        caught.value.close()


def test_the_endpoints_own_refusal_reaches_the_client(client, stub):
    body = {"error": {"message": "context too long", "type": "invalid", "param": "messages", "code": "too_long"}}
    stub.behaviours["top-model"] = status(400, body=body)
    with pytest.raises(openai.BadRequestError, match="context too long") as caught:
        client.chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.code == "too_long"


def test_a_refusal_of_our_key_is_not_the_clients_business(client, stub):
    stub.behaviours["top-model"] = status(401, body={"error": {"message": "bad key upstream-secret-of-tests"}})
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="auto", messages=HELLO)
    assert "secret" not in str(caught.value)


def test_an_endpoint_over_its_rate_says_when_to_come_back(client, stub):
    stub.behaviours["top-model"] = status(429, headers={"retry-after": "77"})
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="auto", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "77"
    assert stub.models == ["top-model"], "77 s are not waited for"


@pytest.mark.slow
def test_silence_ends_in_a_time_out(client, stub):
    stub.behaviours["top-model"] = silent
    begun = time.monotonic()
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="auto", messages=HELLO, stream=stream)
        assert caught.value.status_code == 504
    assert time.monotonic() - begun < 8


GARBAGE = {
    "html": raw(b"<html>", content_type="text/html"),
    "empty": raw(b"", content_type="text/event-stream"),
    "half an event": raw(b'data: {"id": "x", "choi', content_type="text/event-stream"),
    "no events": raw(b"what?\n\n", content_type="text/event-stream"),
    "broken json": raw(b"data: {nonsense}\n\n", content_type="text/event-stream"),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_stream_of_garbage_is_an_ordinary_error(client, stub, what):
    stub.behaviours["top-model"] = GARBAGE[what]
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="auto", messages=HELLO, stream=True)


def cut_after_two(asked):
    return streamed(asked, chunks(asked)[:2], end=b'data: {"id": "half')


async def nonsense_after_two(asked):
    return await streamed(asked, chunks(asked)[:2], pause_s=0.05, end=b"data: nonsense\n\n")


async def slow(asked):
    return await streamed(asked, chunks(asked, tuple("abcdefgh" * 8)), pause_s=0.1)


@pytest.mark.parametrize("behaviour", [cut_after_two, nonsense_after_two])
def test_a_stream_that_breaks_off_ends_in_an_error_event(client, stub, behaviour):
    stub.behaviours["top-model"] = behaviour
    stream = client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    seen = [next(stream)]
    with pytest.raises(openai.APIError, match="broke off"):
        seen += list(stream)
    assert seen


def test_a_client_that_leaves_a_stream_ends_it_upstream(gateway, client, stub):
    stub.behaviours["top-model"] = slow
    stream = client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    next(stream)
    stream.close()
    assert until(lambda: stub.asked[0].cancelled)
    assert until(lambda: gateway.metric('routenlp_requests_total{outcome="client_left"') >= 1)


@pytest.mark.parametrize("model", ["auto", "auto:intent"])
def test_a_client_that_leaves_before_the_answer_ends_it_upstream(gateway, stub, model):
    stub.behaviours |= dict.fromkeys(("top-model", "small-model"), silent)
    hasty = openai.OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0, timeout=0.3)
    with hasty, pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model=model, messages=HELLO)
    assert until(lambda: stub.asked[0].cancelled)
    assert len(stub.asked) == 1


def test_a_cancelled_async_request_is_cancelled_upstream(gateway, stub):
    stub.behaviours["top-model"] = silent

    async def leave() -> None:
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key="x", max_retries=0) as client:
            task = asyncio.create_task(client.chat.completions.create(model="auto", messages=HELLO))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(leave())
    assert until(lambda: stub.asked[0].cancelled)


def test_64_streams_at_once(gateway, stub):
    async def brisk(asked):
        return await streamed(asked, chunks(asked), pause_s=0.1)

    stub.behaviours["top-model"] = brisk

    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key="x", max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(64)))

    assert asyncio.run(all_of_them()) == ["hello there"] * 64


def test_secrets_are_in_no_log_and_no_metric(gateway, client, stub):
    stub.behaviours["top-model"] = status(500, body={"error": {"message": "upstream-secret-of-tests"}})
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="auto", messages=HELLO)
    seen = gateway.log.read_text() + gateway.metrics()
    assert "secret-of-tests" not in seen
    assert "upstream_error" in seen


def test_an_answer_of_nothing_is_no_answer(client, stub):
    async def nothing(asked):
        return web.json_response(completion(asked, choices=[]))

    stub.behaviours["top-model"] = nothing
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="auto", messages=HELLO)
