"""What the stub says by Anthropic's Messages API. A request that the API's own types do not allow is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pydantic
from aiohttp import web

KEY = "upstream-secret-of-tests"
USAGE = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 20}


def complaint(asked) -> str | None:
    """What the real API would find fault with; None for nothing."""
    from anthropic.types import message_create_params as params

    if asked.headers.get("x-api-key") != KEY or "Authorization" in asked.headers:
        return "key"
    if asked.headers.get("anthropic-version") != "2023-06-01":
        return "version"
    kind = params.MessageCreateParamsStreaming if asked.body.get("stream") else params.MessageCreateParamsNonStreaming
    allowed = pydantic.TypeAdapter(kind)  # must outlive the walk: pydantic checks what can be iterated only as it is
    try:
        walk(allowed.validate_python(asked.body))
    except pydantic.ValidationError as exc:
        return str(exc)
    return None


def walk(value: object) -> None:
    """Goes through everything."""
    if isinstance(value, dict):
        for inner in value.values():
            walk(inner)
    elif not isinstance(value, str) and hasattr(value, "__iter__"):
        for inner in value:
            walk(inner)


def error(code: int, kind: str, *, headers: dict[str, str] | None = None) -> web.Response:
    body = {"type": "error", "error": {"type": kind, "message": f"stub says {kind}"}, "request_id": "req_1"}
    return web.json_response(body, status=code, headers=headers)


def refusing(code: int, kind: str, **headers: str):
    async def behave(_) -> web.Response:
        return error(code, kind, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return behave


def content(body: dict) -> list[dict]:
    """A call of each tool on offer, unless their results came; JSON where a schema asks for it; else a greeting."""
    last = body["messages"][-1]["content"]
    if body.get("tools") and not any(block["type"] == "tool_result" for block in last):
        calls = [
            {"type": "tool_use", "id": f"toolu_{at}", "name": tool["name"], "input": {"city": "Paris"}}
            for at, tool in enumerate(body["tools"])
        ]
        return [{"type": "text", "text": "Let me see."}, *calls]
    if "format" in body.get("output_config", {}):
        return [{"type": "text", "text": json.dumps({"name": "Ada", "age": 36})}]
    return [{"type": "text", "text": f"hello from {body['model']}"}]


def message(asked, **changes) -> dict:
    blocks = content(asked.body)
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.body["model"],
        "content": blocks,
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    } | changes


def events(asked, **changes) -> Iterator[dict]:
    whole = message(asked, **changes)
    usage = USAGE | {"output_tokens": 1}
    yield {"type": "message_start", "message": whole | {"content": [], "stop_reason": None, "usage": usage}}
    yield {"type": "ping"}
    for index, block in enumerate(whole["content"]):
        empty = {"text": {"text": ""}, "tool_use": {"input": {}}, "thinking": {"thinking": "", "signature": ""}}
        yield {"type": "content_block_start", "index": index, "content_block": block | empty.get(block["type"], {})}
        for delta in deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def deltas(block: dict) -> Iterator[dict]:
    if block["type"] == "tool_use":
        said = json.dumps(block["input"]) if block["input"] else ""
        for piece in ("", said[:5], said[5:]):
            yield {"type": "input_json_delta", "partial_json": piece}
    elif block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "text":
        for piece in (block["text"][:3], block["text"][3:]):
            yield {"type": "text_delta", "text": piece}


def encoded(event: dict) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


async def streamed(asked, sent: Iterator[dict], *, pause_s: float = 0.0, end: bytes = b"") -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(asked.request)
    for event in sent:
        await response.write(encoded(event))
        await asyncio.sleep(pause_s)
    await response.write(end)
    await response.write_eof()
    return response


async def plain(asked) -> web.StreamResponse:
    fault = complaint(asked)
    if fault is not None:
        return error(401 if fault == "key" else 400, f"invalid_request_error: {fault}")
    if asked.body.get("stream"):
        return await streamed(asked, events(asked))
    return web.json_response(message(asked))
