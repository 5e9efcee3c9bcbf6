"""A whole answer of the Messages API as a chat completion, and its errors in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import msgspec

from routenlp.backends.anthropic.thoughts import Block, Turn, thoughtful_turn
from routenlp.backends.anthropic.usage import Tokens, in_openais_words

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why an answer ended, in OpenAI's words; a reason that is not known is `stop`."""


class Details(msgspec.Struct):
    """Of a refusal."""

    explanation: str | None = None


class Message(msgspec.Struct):
    """An answer; in a stream, its beginning."""

    id: str
    content: list[Block]
    model: str = ""
    stop_reason: str | None = None
    stop_details: Details | None = None
    usage: Tokens = msgspec.field(default_factory=Tokens)


_MESSAGE = msgspec.json.Decoder(Message)


def completion(body: bytes, created_s: float) -> bytes | None:
    """The chat completion; None for what is no answer."""
    try:
        found = _MESSAGE.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    calls = [tool_call(block, bytes(block.input).decode()) for block in found.content if block.type == "tool_use"]
    text = "".join(block.text for block in found.content if block.type == "text")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls else ""),
        "refusal": refusal(found.stop_reason, found.stop_details),
    }
    if thought := "".join(block.thinking for block in found.content if block.type == "thinking"):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(found.stop_reason)}
    said: dict[str, Any] = {
        "id": found.id,
        "object": "chat.completion",
        "created": int(created_s),
        "model": found.model,
        "choices": [choice],
    }
    usage = in_openais_words(found.usage)
    return msgspec.json.encode(said if usage is None else {**said, "usage": usage})


def turn_to_keep(body: bytes) -> Turn | None:
    """What must be given back with the results of the tools that `body` calls; None for nothing."""
    if b'thinking"' not in body:
        return None
    return thoughtful_turn(_MESSAGE.decode(body).content)


def tool_call(block: Block, arguments: str) -> dict[str, Any]:
    """As a message holds it."""
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def finish(reason: str | None) -> str:
    """OpenAI's `finish_reason`."""
    return FINISH.get(reason or "", "stop")


def refusal(reason: str | None, details: Details | None) -> str | None:
    """What the model says of why it refuses; None where it does not."""
    if reason != "refusal":
        return None
    return (details.explanation if details is not None else None) or "The model refused to answer."


class _Error(msgspec.Struct):
    message: str
    type: str = "invalid_request_error"


class _Errors(msgspec.Struct):
    error: _Error


_ERRORS = msgspec.json.Decoder(_Errors)


def error_body(body: bytes) -> bytes:
    """An error of the Messages API in OpenAI's shape; what is none stays as it is, for others to find fault with."""
    try:
        found = _ERRORS.decode(body).error
    except (msgspec.DecodeError, RecursionError):
        return body
    said = {"message": found.message, "type": found.type, "param": None, "code": found.type}
    return msgspec.json.encode({"error": said})
