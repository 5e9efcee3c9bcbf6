"""Reads a chat request: as much as routing and billing need. What is not named here passes through unread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from routenlp.gateway.errors import ApiError
from routenlp.types import Turn

T = TypeVar("T")


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_call_id: str | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MESSAGES = msgspec.json.Decoder(list[_Message])
_NULL = msgspec.Raw(b"null")
_METADATA = msgspec.json.Decoder(dict[str, msgspec.Raw])
_INSTRUCTIONS = frozenset({"system", "developer"})
_MOST_CHOICES = 128


@dataclass(frozen=True, slots=True, eq=False)
class ChatRequest:
    """One request, read."""

    fields: dict[str, msgspec.Raw]
    """All that the client sent, undecoded, without what is meant for us alone."""
    model: str
    stream: bool
    show_usage: bool
    """Of a stream: the client wants the last chunk, with usage."""
    wants_logprobs: bool
    task: str | None
    """`metadata.task`."""
    text: str
    """Of the last message."""
    turns: tuple[Turn, ...]
    """Before it, without instructions to the model, which are alike in all queries of a task."""
    tool_call_ids: tuple[str, ...]
    """That the last messages are results of: the assistant's turn goes on."""
    most_tokens: int | None
    """That an answer may have."""
    n: int
    size_bytes: int

    @property
    def everything(self) -> str:
        """All text, for counting tokens where an endpoint reports none."""
        return "\n".join([*(turn.text for turn in self.turns), self.text])


def parse(body: bytes) -> ChatRequest:
    """Raises `ApiError` 400 that names the field."""
    try:
        body.decode()
        fields = _FIELDS.decode(body)
    except UnicodeDecodeError as exc:
        raise ApiError(400, f"The body is not UTF-8 (byte {exc.start}).", code="invalid_json") from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ApiError(400, f"The body is not a JSON object: {exc}", code="invalid_json") from exc
    messages = _messages(fields)
    options = _field(fields, "stream_options", _StreamOptions | None) or _StreamOptions()
    task, fields = _take_task(fields)
    *earlier, last = messages
    return ChatRequest(
        fields=fields,
        model=_model(fields),
        stream=_field(fields, "stream", bool | None) or False,
        show_usage=options.include_usage or False,
        wants_logprobs=_field(fields, "logprobs", bool | None) or False,
        task=task,
        text=_text(last),
        turns=tuple(Turn(m.role, _text(m)) for m in earlier if m.role not in _INSTRUCTIONS),
        tool_call_ids=_tool_results(messages),
        most_tokens=_field(fields, "max_completion_tokens", int | None) or _field(fields, "max_tokens", int | None),
        n=_count(fields),
        size_bytes=len(body),
    )


def _messages(fields: dict[str, msgspec.Raw]) -> list[_Message]:
    if "messages" not in fields:
        raise ApiError(400, "`messages` is missing.", param="messages", code="missing_required_parameter")
    try:
        messages = _MESSAGES.decode(fields["messages"])
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ApiError(400, f"`messages`: {exc}", param="messages", code="invalid_type") from exc
    if not messages:
        raise ApiError(400, "`messages` is empty.", param="messages", code="empty_array")
    return messages


def _model(fields: dict[str, msgspec.Raw]) -> str:
    model: str | None = _field(fields, "model", str | None)
    if not model:
        raise ApiError(400, "`model` is missing: use auto.", param="model", code="missing_required_parameter")
    return model


def _count(fields: dict[str, msgspec.Raw]) -> int:
    n = _field(fields, "n", int | None)
    if n is not None and not 1 <= n <= _MOST_CHOICES:
        raise ApiError(400, f"`n` is {n}: use 1 to {_MOST_CHOICES}.", param="n", code="invalid_value")
    return n or 1


def _field(fields: dict[str, msgspec.Raw], name: str, type_: Any) -> Any:
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ApiError(400, f"`{name}`: {exc}", param=name, code="invalid_type") from exc


def _take_task(fields: dict[str, msgspec.Raw]) -> tuple[str | None, dict[str, msgspec.Raw]]:
    """`metadata.task` and the fields without it: providers refuse metadata that they do not know."""
    raw = fields.get("metadata")
    if raw is None or raw == _NULL:
        return None, fields
    try:
        metadata = _METADATA.decode(raw)
        task = msgspec.json.decode(metadata.pop("task"), type=str)
    except (KeyError, msgspec.DecodeError, RecursionError):
        return None, fields
    rest = {name: value for name, value in fields.items() if name != "metadata"}
    return task, rest | ({"metadata": msgspec.Raw(msgspec.json.encode(metadata))} if metadata else {})


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.text)
    return message.content or ""


def _tool_results(messages: list[_Message]) -> tuple[str, ...]:
    found = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        if message.tool_call_id:
            found.append(message.tool_call_id)
    return tuple(found)
