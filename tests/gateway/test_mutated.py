"""Ten thousand mutated requests: no error of ours, no hang, no leak."""

from __future__ import annotations

import http.client
import json
import random

import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.stub import completion

MESSAGES = [{"role": "user", "content": "hello"}]
BASES = [
    {"model": "auto", "messages": MESSAGES},
    {"model": "auto:intent", "messages": MESSAGES, "n": 2, "max_tokens": 5},
    {"model": "auto:intent", "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]},
    {"model": "mid", "messages": [{"role": "user", "content": [{"type": "text", "text": "hé"}]}], "logprobs": True},
    {"model": "auto", "messages": MESSAGES, "stream": True, "metadata": {"task": "intent"}},
]
BYTES = b'{}[]",:0123456789-.eE\\u\x00\xff truefalsn'
OURS = {400, 401, 403, 404}
PASSED_ON = 418


def mutated(draw: random.Random, base: dict) -> bytes:
    data = bytearray(json.dumps(base).encode())
    for _ in range(draw.randrange(1, 5)):
        at = draw.randrange(len(data))
        kind = draw.randrange(4)
        if kind == 0:
            data[at] = draw.choice(BYTES)
        elif kind == 1:
            del data[at : at + draw.randrange(1, 6)]
        elif kind == 2:
            data[at:at] = bytes([draw.choice(BYTES)])
        else:
            data[at:at] = data[at : at + draw.randrange(20)]
        if not data:
            break
    return bytes(data)


def tattling(draw: random.Random):
    """Answers as ever, but for every second request: that is refused, and the key that came with it quoted."""

    async def behave(asked) -> web.StreamResponse:
        if draw.random() < 0.5:
            said = f"What is {asked.headers['Authorization']}?"
            error = {"message": said, "type": "stub", "param": None, "code": None}
            return web.json_response({"error": error}, status=draw.choice([PASSED_ON, 401]))
        asked.body = {"model": asked.model, "messages": MESSAGES, "logprobs": asked.body.get("logprobs") is True}
        return web.json_response(completion(asked))

    return behave


@pytest.mark.slow
def test_mutated_requests(guarded, stub):
    draw, tattles = random.Random(0), random.Random(1)
    stub.behaviours |= {f"{tier}-model": tattling(tattles) for tier in ("small", "mid")}
    pasted = {"model": "auto:intent", "messages": [{"role": "user", "content": f"my key is {guarded.secret}!"}]}
    connection = http.client.HTTPConnection("127.0.0.1", guarded.gateway.port, timeout=10)
    before = {table: guarded.count(table) for table in ("traces", "content")}
    seen: dict[int, int] = {}
    for _ in range(10_000):
        key = draw.choice([guarded.secret] * 8 + ["x", "é" * draw.randrange(3), "rnlp_" + "a" * 64])
        headers = {"authorization": f"Bearer {key}".encode()}
        if draw.random() < 0.2:
            headers["x-routenlp-task"] = draw.choice([b"intent", b"\xff\xfe", b"nope", b"", b"default"])
        body = json.dumps(pasted).encode() if draw.random() < 0.01 else mutated(draw, draw.choice(BASES))
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        body = response.read()
        assert guarded.quoted(body) == guarded.quoted(response.headers) == []
        seen[response.status] = seen.get(response.status, 0) + 1
        if response.status != 200:
            assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
        stub.asked.clear()
    connection.close()
    assert_sound(seen)
    assert running.until(lambda: guarded.count("traces") - before["traces"] >= seen[200])
    assert running.until(lambda: guarded.count("content") - before["content"] >= seen[200])
    log = guarded.gateway.log.read_text()
    assert "Traceback" not in log
    assert "internal" not in log
    guarded.assert_kept_to_itself()


def assert_sound(seen: dict[int, int]) -> None:
    """Errors are the clients', or the tier's own where that was the last one; never ours. All kinds were seen."""
    assert set(seen) <= {200, PASSED_ON, 502} | OURS, seen
    assert seen[200] > 400, seen
    assert seen[400] > 500, seen
    assert seen[401] > 500, seen
    assert seen[PASSED_ON] > 10, seen


def test_keys_pasted_into_feedback_are_not_kept(guarded):
    connection = http.client.HTTPConnection("127.0.0.1", guarded.gateway.port, timeout=10)
    before = guarded.count("feedback")
    said = json.dumps({"id": "x", "label": f"it told me {guarded.secret}", "correction": guarded.secret})
    connection.request("POST", "/v1/feedback", said, {"authorization": f"Bearer {guarded.secret}"})
    response = connection.getresponse()
    assert (response.status, guarded.quoted(response.read())) == (202, [])
    connection.close()
    assert running.until(lambda: guarded.count("feedback") == before + 2)
    guarded.assert_kept_to_itself()
