"""The events of a stream as one whole completion: what `as_events` takes apart, put together."""

from __future__ import annotations

import msgspec

from routenlp.backends.openai_compatible.completion import Usage
from routenlp.backends.remote.sse import data_of


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Logprobs(msgspec.Struct):
    content: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier")


def joined(events: bytes, usage: Usage) -> bytes:
    """Of whole events that hold one choice and call no tool, each read before by `Meter`; `usage` is said of it."""
    data = [said for event in events.split(b"\n\n") if (said := data_of(event)) not in (None, b"[DONE]", b"")]
    chunks = [_CHUNK.decode(said) for said in data if said is not None]
    choices = [choice for chunk in chunks for choice in chunk.choices or ()]
    tokens = [t for c in choices if c.logprobs is not None for t in c.logprobs.content or ()]
    message = {
        "role": "assistant",
        "content": "".join(c.delta.content or "" for c in choices if c.delta is not None),
        "refusal": "".join(c.delta.refusal or "" for c in choices if c.delta is not None) or None,
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": tokens, "refusal": None} if tokens else None,
        "finish_reason": next((c.finish_reason for c in reversed(choices) if c.finish_reason), "stop"),
    }
    first = next((_RAW.decode(said) for said in data if said is not None), {})
    head = {name: first[name] for name in _HEAD if name in first}
    total = usage.input_tokens + usage.output_tokens
    counts = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total,
    }
    return msgspec.json.encode({**head, "object": "chat.completion", "choices": [choice], "usage": counts})
