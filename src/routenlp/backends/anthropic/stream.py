"""A stream of the Messages API as one of chat completions, event by event.

message_start                       nothing yet: what fails now is still an ordinary error
content_block_start, _delta, _stop  chunks: the role with the first, then text, thinking, calls of tools
message_delta                       why it ended, and how many tokens it took
message_stop                        the last chunk, usage, and the end
ping                                nothing
error                               `StreamError`
"""

from __future__ import annotations

from typing import Any

import msgspec

from routenlp.backends.anthropic.answer import Details, Message, finish, refusal, tool_call
from routenlp.backends.anthropic.thoughts import NOTHING, Block, Turn, is_thought, thoughtful_turn
from routenlp.backends.anthropic.usage import Tokens, in_openais_words
from routenlp.backends.remote.sse import BadEvent, cut, data_of

STATUS = {"rate_limit_error": 429, "overloaded_error": 529, "timeout_error": 504, "api_error": 500}
"""What an error inside a stream would have been before it."""
_DONE = b"data: [DONE]\n\n"


class StreamError(Exception):
    """The model reports an error inside its stream. Holds its kind, where it is a known one, and no words of its."""

    def __init__(self, kind: str) -> None:
        known = kind if kind in STATUS else "another error"
        super().__init__(f"reported {known} in its stream")
        self.status = STATUS.get(kind, 500)


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_details: Details | None = None


class _Error(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    type: str
    message: Message | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: Tokens | None = None
    error: _Error | None = None


_EVENT = msgspec.json.Decoder(_Event)


class Translation:
    """Of one stream."""

    __slots__ = ("_blocks", "_calls", "_finish", "_head", "_rest", "_role_said", "_tokens", "ended")

    def __init__(self, created_s: float) -> None:
        self._rest = b""
        self._head: dict[str, Any] = {"object": "chat.completion.chunk", "created": int(created_s)}
        self._role_said = False
        self._calls = -1
        """Position of the tool call that is under way."""
        self._finish: str | None = None
        self._tokens = Tokens()
        self.ended = False
        self._blocks: list[Block] = []
        """What came so far, of an answer that begins with a thought."""

    @property
    def turn(self) -> Turn | None:
        """Once the stream has ended: what must be given back with the results of the tools that it called."""
        return thoughtful_turn(self._blocks)

    def feed(self, data: bytes) -> bytes:
        """The chunks that `data` completes; raises `BadEvent` and `StreamError`."""
        events, self._rest = cut(self._rest, data)
        return b"".join(map(self._said, events))

    def _said(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return b""  # a comment, which keeps the connection alive
        try:
            found = _EVENT.decode(data)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise BadEvent("sent an event that is none of the Messages API's") from exc
        if found.type == "error":
            raise StreamError(found.error.type if found.error is not None else "")
        if found.usage is not None:
            self._tokens = self._tokens.later(found.usage)
        if found.message is not None:
            self._begin(found.message)
        if found.content_block is not None:
            return self._block(found.content_block)
        if found.delta is not None:
            return self._delta(found.delta)
        return self._end() if found.type == "message_stop" else b""

    def _begin(self, message: Message) -> None:
        self._head |= {"id": message.id, "model": message.model}
        self._tokens = self._tokens.later(message.usage)

    def _block(self, block: Block) -> bytes:
        if self._blocks or is_thought(block):
            self._blocks.append(block)
            if block.type == "tool_use":
                block.input = NOTHING  # comes in pieces
        if block.type == "tool_use":
            self._calls += 1
            return self._chunk({"tool_calls": [{"index": self._calls, **tool_call(block, "")}]})
        if block.type == "text":
            return self._chunk({"content": block.text})
        return b""

    def _delta(self, delta: _Delta) -> bytes:
        if self._blocks:
            _add(self._blocks[-1], delta)
        if delta.type == "text_delta":
            return self._chunk({"content": delta.text})
        if delta.type == "thinking_delta":
            return self._chunk({"reasoning_content": delta.thinking}) if delta.thinking else b""
        if delta.type == "input_json_delta":
            return self._chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": delta.partial_json}}]})
        if delta.stop_reason is None:
            return b""
        self._finish = finish(delta.stop_reason)
        words = refusal(delta.stop_reason, delta.stop_details)
        return b"" if words is None else self._chunk({"refusal": words})

    def _end(self) -> bytes:
        self.ended = True
        chunks = self._chunk({}, self._finish or "stop")
        usage = in_openais_words(self._tokens)
        if usage is not None:
            chunks += _event({**self._head, "choices": [], "usage": usage})
        return chunks + _DONE

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        if not self._role_said:
            self._role_said = True
            delta = {"role": "assistant", **delta}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**self._head, "choices": [choice]})


def _add(block: Block, delta: _Delta) -> None:
    block.text += delta.text
    block.thinking += delta.thinking
    block.signature += delta.signature
    if delta.partial_json:
        block.input = msgspec.Raw(bytes(block.input) + delta.partial_json.encode())


def _event(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
