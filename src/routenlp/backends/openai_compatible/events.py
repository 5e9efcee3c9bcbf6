"""Streams of server-sent events: whole events only, metered as they pass, and never changed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from routenlp.backends.openai_compatible.completion import Usage, call_ids, read_usage
from routenlp.backends.remote.sse import BadEvent, cut, data_of

DONE = b"data: [DONE]\n\n"
_NULL, _EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b"{}")


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[dict[str, msgspec.Raw]] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_CHUNK = msgspec.json.Decoder(_Chunk)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class Meter:
    """Cuts bytes into events and reads each: usage, ids, whether the end came.

    `show_usage`: whether the client asked for the last chunk, which holds usage and no choice; else it is left out.
    """

    __slots__ = ("_rest", "_show_usage", "done", "id", "text", "tool_call_ids", "usage")

    def __init__(self, *, show_usage: bool) -> None:
        self._rest = b""
        self._show_usage = show_usage
        self.id = ""
        self.usage: Usage | None = None
        self.tool_call_ids: list[str] = []
        self.text: list[str] = []
        """What was said so far, for counting tokens where no usage comes, and for the record."""
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """The whole events that `data` completes, to be sent on; raises `BadEvent`, and nothing of it is sent then."""
        whole, self._rest = cut(self._rest, data)
        return b"".join(event + b"\n\n" for event in whole if self._passes(event))

    @property
    def cut(self) -> bool:
        """Whether the stream, should it end here, is incomplete."""
        return not self.done

    def _passes(self, event: bytes) -> bool:
        data = data_of(event)
        if data is None:
            return True
        if data == b"[DONE]":
            self.done = True
            return True
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise BadEvent("sent an event that is no chunk of a completion") from exc
        if chunk.error != _NULL:
            raise BadEvent("reported an error in its stream")
        self.id = self.id or chunk.id or ""
        for choice in chunk.choices or ():
            if choice.delta is None:
                continue
            if choice.delta.content:
                self.text.append(choice.delta.content)
            if choice.delta.tool_calls:
                self.tool_call_ids += call_ids(choice.delta.tool_calls)
        if chunk.usage != _NULL:
            self.usage = read_usage(chunk.usage) or self.usage
            return self._show_usage or bool(chunk.choices)
        return True


def as_events(body: bytes, *, show_usage: bool) -> bytes:
    """A whole completion as the events of a stream, for a client that asked for one: each choice in two chunks."""
    fields = _RAW.decode(body)
    head: dict[str, object] = {
        name: fields[name]
        for name in ("id", "created", "model", "system_fingerprint", "service_tier")
        if name in fields
    }
    head["object"] = "chat.completion.chunk"
    chunks = list(_chunks(_RAWS.decode(fields["choices"])))
    out = [_event({**head, "choices": [chunk]}) for chunk in chunks]
    if show_usage and "usage" in fields:
        out.append(_event({**head, "choices": [], "usage": fields["usage"]}))
    return b"".join((*out, DONE))


def _chunks(choices: list[dict[str, msgspec.Raw]]) -> Iterator[dict[str, object]]:
    for position, choice in enumerate(choices):
        index: object = choice.get("index", position)
        delta: dict[str, object] = dict(_RAW.decode(choice.get("message", _EMPTY)))
        if delta.get("tool_calls", _NULL) != _NULL:
            calls = _RAWS.decode(msgspec.json.encode(delta["tool_calls"]))
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        else:
            delta.pop("tool_calls", None)
        yield {"index": index, "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
        yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}


def _event(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
