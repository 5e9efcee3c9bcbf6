"""The long text of a chat request: which message it is, how long, and the request with something else in its place."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from routenlp.backends.openai_compatible.conversation import INSTRUCTIONS, Message
from routenlp.cascade.long_input import estimated_tokens
from routenlp.gateway.plain import beyond_text
from routenlp.gateway.request import ChatRequest, parse

_MESSAGES = msgspec.json.Decoder(list[Message])
_RAW = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_KEPT = ("model", "temperature", "top_p", "seed", "reasoning_effort")
"""Fields of the client's that every call is asked with."""


@dataclass(frozen=True, slots=True)
class LongText:
    """The longest message that is no instruction to the model, and what stands beside it."""

    at: int
    """Position of the message."""
    text: str
    tokens: int
    """Estimated, like the next."""
    other_tokens: int
    """Of all other messages, and of tools."""


def long_text(request: ChatRequest) -> LongText | None:
    """None where there is no such message: only instructions."""
    messages = _MESSAGES.decode(request.fields["messages"])
    tokens = [estimated_tokens(message.text) for message in messages]
    tools = request.fields.get("tools")
    beside = estimated_tokens(bytes(tools).decode("utf-8", "replace")) if tools is not None else 0
    texts = [at for at, message in enumerate(messages) if message.role not in INSTRUCTIONS]
    if not texts:
        return None
    at = max(texts, key=lambda i: tokens[i])
    return LongText(at, messages[at].text, tokens[at], sum(tokens) - tokens[at] + beside)


def readable_in_parts(request: ChatRequest) -> bool:
    """Whether it asks for no more than one text in answer to texts."""
    return beyond_text(request) is None


def note_request(request: ChatRequest, prompt: str, most_tokens: int) -> ChatRequest:
    """Asks for a note of at most so many tokens, without the client's instructions: they are for the whole."""
    bound = "max_completion_tokens" if "max_completion_tokens" in request.fields else "max_tokens"
    asked = {name: request.fields[name] for name in _KEPT if name in request.fields}
    messages = [{"role": "user", "content": prompt}]
    return _as_request(request, {**asked, "messages": messages, bound: most_tokens})


def with_text(request: ChatRequest, long: LongText, text: str) -> ChatRequest:
    """The client's request with `text` in place of the long one."""
    messages: list[dict[str, object]] = [dict(message) for message in _RAW.decode(request.fields["messages"])]
    messages[long.at]["content"] = text
    return _as_request(request, {**request.fields, "messages": messages})


def _as_request(request: ChatRequest, fields: dict[str, object]) -> ChatRequest:
    found = parse(msgspec.json.encode(fields))
    return msgspec.structs.replace(found, task=request.task, metadata=request.metadata)
