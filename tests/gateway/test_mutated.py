"""Ten thousand mutated requests: no error of ours, no hang, no leak."""

from __future__ import annotations

import http.client
import json
import random

import pytest
from tests.gateway import running

BASES = [
    {"model": "auto", "messages": [{"role": "user", "content": "hello"}]},
    {"model": "auto:intent", "messages": [{"role": "user", "content": "hello"}], "n": 2, "max_tokens": 5},
    {"model": "auto:intent", "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]},
    {"model": "mid", "messages": [{"role": "user", "content": [{"type": "text", "text": "hé"}]}], "logprobs": True},
    {"model": "auto", "messages": [{"role": "user", "content": "x"}], "stream": True, "metadata": {"task": "intent"}},
]
BYTES = b'{}[]",:0123456789-.eE\\u\x00\xff truefalsn'


def mutated(draw: random.Random) -> bytes:
    data = bytearray(json.dumps(draw.choice(BASES)).encode())
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


@pytest.mark.slow
def test_mutated_requests(gateway, stub):
    draw = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    seen: dict[int, int] = {}
    for _ in range(10_000):
        headers = {
            "authorization": f"Bearer {draw.choice(['x', 'é' * draw.randrange(3), 'rnlp_' + 'a' * 64])}".encode()
        }
        if draw.random() < 0.2:
            headers["x-routenlp-task"] = draw.choice([b"intent", b"\xff\xfe", b"nope", b"", b"default"])
        connection.request("POST", "/v1/chat/completions", mutated(draw), headers)
        response = connection.getresponse()
        body = response.read()
        seen[response.status] = seen.get(response.status, 0) + 1
        if response.status != 200:
            assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
        stub.asked.clear()
    connection.close()
    assert set(seen) <= {200, 400, 403, 404}, seen
    assert seen[200] > 500
    assert seen[400] > 500
    log = gateway.log.read_text()
    assert "Traceback" not in log
    assert "internal" not in log
    for secret in (running.UPSTREAM_KEY, running.ADMIN_KEY, "rnlp_aaaa"):
        assert secret not in log
