"""An upstream that answers at once, in a process of its own: `python -m routenlp.bench.gateway.stub`.

Bare asyncio, one fixed answer whole and one as a stream, so that nearly all that is measured is the gateway's.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from typing import Any

_TOKENS = 12
_EVENTS = 16


def _completion() -> bytes:
    token = {"token": "word", "logprob": math.log(0.98), "bytes": None, "top_logprobs": []}
    message = {"role": "assistant", "content": "word " * _TOKENS, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": {"content": [token] * _TOKENS}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": _TOKENS, "total_tokens": 20 + _TOKENS}
    frame = {"id": "chatcmpl-stub", "object": "chat.completion", "created": 1, "model": "stub"}
    return json.dumps(frame | {"choices": [choice], "usage": usage}).encode()


def _stream() -> bytes:
    frame = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1, "model": "stub", "usage": None}
    deltas: list[dict[str, Any]] = [{"content": "word "} for _ in range(_EVENTS)]
    chunks = [frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    usage = {"prompt_tokens": 20, "completion_tokens": _EVENTS, "total_tokens": 20 + _EVENTS}
    chunks.append(frame | {"choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _response(kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (kind, len(body), body)


WHOLE = _response(b"application/json", _completion())
STREAM = _response(b"text/event-stream", _stream())


class StubProtocol(asyncio.Protocol):
    """HTTP/1.1 with a content-length, nothing else."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection came."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that is complete."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            body = self._data[end + 4 : end + 4 + length]
            self._data = self._data[end + 4 + length :]
            self._transport.write(STREAM if b'"stream":true' in body or b'"stream": true' in body else WHOLE)


async def listen() -> None:
    """Says its port on standard output, and answers until it is killed."""
    server = await asyncio.get_running_loop().create_server(StubProtocol, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen())
