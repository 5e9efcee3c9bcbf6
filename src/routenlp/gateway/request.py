"""Reads a chat request: as much as routing and billing need. What is not named here passes through unread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from routenlp.backends.openai_compatible.conversation import Message, turns_before_last
from routenlp.gateway.errors import ApiError
from routenlp.types import Turn

T = TypeVar("T")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MESSAGES = msgspec.json.Decoder(list[Message])
_NULL = msgspec.Raw(b"null")
_OPTIONS = msgspec.json.Decoder(_StreamOptions | None)
_SWITCH = msgspec.json.Decoder(bool | None)
_NAME = msgspec.json.Decoder(str | None)
_NUMBER = msgspec.json.Decoder(int | float | None)
_METADATA = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
MOST_CHOICES = 128
TASK = "task"
QUERY_ID = "query_id"
GROUP = "group"
_OURS = frozenset({TASK, QUERY_ID, GROUP, "schema"})
"""Keys of `metadata` that are meant for us alone: providers refuse metadata that they do not know. A query's `group` is
the conversation or document that it belongs to, which no fold cuts."""


class ChatRequest(msgspec.Struct, frozen=True, eq=False):
    """One request, read."""

    fields: dict[str, msgspec.Raw]
    """All that the client sent, undecoded, without what is meant for us alone."""
    model: str
    stream: bool
    show_usage: bool
    """Of a stream: the client wants the last chunk, with usage."""
    wants_logprobs: bool
    task: str | None
    """`metadata.task`; once the request was let in, the task that it is served as."""
    metadata: Mapping[str, str]
    """The other texts in `metadata`, for tiers that read them: `schema` of an entity query, `query_id`, ..."""
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
    options = _field(fields, "stream_options", _OPTIONS) or _StreamOptions()
    metadata, fields = _take_metadata(fields)
    return ChatRequest(
        fields=fields,
        model=_model(fields),
        stream=_field(fields, "stream", _SWITCH) or False,
        show_usage=options.include_usage or False,
        wants_logprobs=_field(fields, "logprobs", _SWITCH) or False,
        task=metadata.pop(TASK, None),
        metadata=metadata,
        text=messages[-1].text,
        turns=turns_before_last(messages),
        tool_call_ids=_tool_results(messages),
        most_tokens=_whole(fields, "max_completion_tokens") or _whole(fields, "max_tokens"),
        n=_count(fields),
        size_bytes=len(body),
    )


def _messages(fields: dict[str, msgspec.Raw]) -> list[Message]:
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
    model: str | None = _field(fields, "model", _NAME)
    if not model:
        raise ApiError(400, "`model` is missing: use auto.", param="model", code="missing_required_parameter")
    return model


def _count(fields: dict[str, msgspec.Raw]) -> int:
    n = _whole(fields, "n")
    if n is not None and not 1 <= n <= MOST_CHOICES:
        raise ApiError(400, f"`n` is {n}: use 1 to {MOST_CHOICES}.", param="n", code="invalid_value")
    return n or 1


def _field(fields: dict[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ApiError(400, f"`{name}`: {exc}", param=name, code="invalid_type") from exc


def _whole(fields: dict[str, msgspec.Raw], name: str) -> int | None:
    """A whole number; 1.0 is one, in JSON."""
    value: int | float | None = _field(fields, name, _NUMBER)
    if isinstance(value, float) and not value.is_integer():
        raise ApiError(400, f"`{name}` is no whole number.", param=name, code="invalid_type")
    return None if value is None else int(value)


def _take_metadata(fields: dict[str, msgspec.Raw]) -> tuple[dict[str, str], dict[str, msgspec.Raw]]:
    """The texts in `metadata`, and the fields without those of them that are ours."""
    raw = fields.get("metadata")
    if raw is None or raw == _NULL:
        return {}, fields
    try:
        metadata = _METADATA.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}, fields
    texts = {name: text for name, value in metadata.items() if (text := _as_text(value)) is not None}
    ours = _OURS & texts.keys()
    if not ours:
        return texts, fields
    others = {name: value for name, value in metadata.items() if name not in ours}
    rest = {name: value for name, value in fields.items() if name != "metadata"}
    return texts, rest | ({"metadata": msgspec.Raw(msgspec.json.encode(others))} if others else {})


def _as_text(value: msgspec.Raw) -> str | None:
    try:
        return _STRING.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def _tool_results(messages: list[Message]) -> tuple[str, ...]:
    found = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        if message.tool_call_id:
            found.append(message.tool_call_id)
    return tuple(found)
