"""A small real upstream on loopback, in a thread: it says what it is told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from tests.gateway import messages_stub

Behaviour = Callable[["Asked"], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request that came."""

    request: web.Request
    body: dict
    headers: dict[str, str]
    cancelled: bool = False

    @property
    def model(self) -> str:
        return self.body["model"]


@dataclass
class Stub:
    """`behaviours`: by model, in place of a plain answer. `sure`: by model, the probability of each token."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def models(self) -> list[str]:
        return [asked.model for asked in self.asked]

    def reset(self) -> None:
        self.asked.clear()
        self.behaviours.clear()
        self.sure.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request, json.loads(await request.read()), dict(request.headers))
        self.asked.append(asked)
        try:
            behaviour = self.behaviours.get(asked.model)
            return await (behaviour(asked) if behaviour else self.plain(asked))
        except (asyncio.CancelledError, ConnectionResetError):
            asked.cancelled = True
            raise

    async def plain(self, asked: Asked) -> web.StreamResponse:
        if asked.request.path == "/v1/messages":
            return await messages_stub.plain(asked)
        if asked.body.get("stream"):
            return await streamed(asked, chunks(asked))
        return web.json_response(completion(asked, sure=self.sure.get(asked.model, 0.99)))


def completion(asked: Asked, *, sure: float = 0.99, **changes) -> dict:
    body = asked.body
    message = {"role": "assistant", "content": f"hello from {asked.model}", "refusal": None}
    finish = "stop"
    if calls := tool_calls(body):
        message |= {"content": None, "tool_calls": calls}
        finish = "tool_calls"
    elif (body.get("response_format") or {}).get("type") == "json_schema":
        message["content"] = json.dumps({"name": "Ada", "age": 36})
    logprobs = None
    if body.get("logprobs"):
        token = {"token": "hello", "logprob": math.log(sure), "bytes": None, "top_logprobs": []}
        logprobs = {"content": [token] * 3, "refusal": None}
    choice = {"message": message, "logprobs": logprobs, "finish_reason": finish}
    return {
        "id": f"chatcmpl-{len(message['content'] or '')}-{asked.model}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": asked.model,
        "choices": [{"index": i} | choice for i in range(body.get("n") or 1)],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        "x_unknown": {"kept": True},
    } | changes


def tool_calls(body: dict) -> list[dict]:
    """A call of each tool offered, unless the last message is a tool's result."""
    if body["messages"][-1]["role"] == "tool":
        return []
    return [
        {
            "id": f"call_{body['model']}_{i}",
            "type": "function",
            "function": {"name": tool["function"]["name"], "arguments": '{"city": "Paris"}'},
        }
        for i, tool in enumerate(body.get("tools") or [])
    ]


def chunks(asked: Asked, pieces: tuple[str, ...] = ("hel", "lo ", "there")) -> list[dict]:
    head = {"id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1, "model": asked.model}
    usage = {"usage": None} if asked.body.get("stream_options", {}).get("include_usage") else {}
    out = [head | usage | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    out += [head | usage | {"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    for at, call in enumerate(tool_calls(asked.body)):
        delta = {"tool_calls": [{"index": at} | call]}
        out.append(head | usage | {"choices": [{"index": 0, "delta": delta}]})
    out.append(head | usage | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        tokens = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        out.append(head | {"choices": [], "usage": tokens})
    return out


async def streamed(asked: Asked, events: list[dict], *, pause_s: float = 0.0, end: bytes = b"data: [DONE]\n\n"):
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(asked.request)
    for event in events:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await asyncio.sleep(pause_s)
    await response.write(end)
    await response.write_eof()
    return response


def status(code: int, *, body: dict | None = None, headers: dict[str, str] | None = None) -> Behaviour:
    async def behave(_: Asked) -> web.StreamResponse:
        error = body or {"error": {"message": f"stub says {code}", "type": "stub", "param": None, "code": None}}
        return web.json_response(error, status=code, headers=headers)

    return behave


def raw(data: bytes, *, content_type: str = "application/json", code: int = 200) -> Behaviour:
    async def behave(_: Asked) -> web.StreamResponse:
        return web.Response(body=data, content_type=content_type, status=code)

    return behave


def in_turn(*behaviours: Behaviour | None) -> Behaviour:
    """Each behaviour once, the last one for ever; None is a plain answer."""
    left = list(behaviours)

    async def behave(asked: Asked) -> web.StreamResponse:
        now = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response(completion(asked)) if now is None else await now(asked)

    return behave


async def silent(_: Asked) -> web.StreamResponse:
    """Says nothing for a minute, or until nobody waits any more."""
    await asyncio.sleep(60)
    return web.Response()


def start() -> tuple[Stub, Callable[[], None]]:
    """A stub that listens, and what ends it."""
    stub, loop, ready = Stub(), asyncio.new_event_loop(), threading.Event()

    async def listen() -> web.AppRunner:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/chat/completions", stub.handle)
        app.router.add_post("/v1/messages", stub.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stub.port = runner.addresses[0][1]
        return runner

    def work() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(listen())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)

    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)

    return stub, stop
