"""Turns of a conversation: OpenAI's messages as the system text and the turns of the Messages API.

system, developer   ─▶ `system`, in their order, wherever they stood
user                ─▶ user: text and images
assistant           ─▶ assistant: text and tool_use, with what it thought, where that is known
tool, one or more   ─▶ one user turn of tool_result, with what the user says next behind them
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.backends.anthropic.thoughts import CallIds, forgotten
from routenlp.backends.anthropic.unsayable import Unsayable

Block = dict[str, Any]
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_DATA_URL = re.compile(r"data:([\w.+/-]+);base64,")
_NOT_OF_IDS = re.compile(r"[^a-zA-Z0-9_-]")


class _Image(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | None = None
    cache_control: Block | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    function_call: Block | None = None
    audio: Block | None = None


_MESSAGES = msgspec.json.Decoder(list[_Message])
_ARGUMENTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Conversation:
    """As the Messages API takes it."""

    system: list[Block]
    turns: list[Block]
    thoughts: Callable[[CallIds], msgspec.Raw | None]
    """Turns that must be given back as they were, by the ids of their calls."""


def conversation(raw: msgspec.Raw, thoughts: Callable[[CallIds], msgspec.Raw | None] = forgotten) -> Conversation:
    """Raises `Unsayable`. Names of speakers and an image's `detail` have no like there: hints, that are left out."""
    try:
        messages = _MESSAGES.decode(raw)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unsayable("messages", f"cannot be read: {exc}") from exc
    found = Conversation([], [], thoughts)
    for at, message in enumerate(messages):
        _SAY.get(message.role, _unknown)(f"messages[{at}]", message, found)
    if found.turns and found.turns[-1]["role"] == "assistant":
        raise Unsayable("messages", "end with the assistant, whose last turn would be continued there and not answered")
    return found


def safe_id(call_id: str) -> str:
    """Ids of tool calls that another tier made may hold characters that are refused there."""
    return _NOT_OF_IDS.sub("_", call_id)


def _unknown(where: str, message: _Message, found: Conversation) -> None:  # noqa: ARG001
    raise Unsayable(where, "has a role that is not known there")


def _system(where: str, message: _Message, found: Conversation) -> None:
    found.system.extend(block for block in _texts(where, message) if block["text"])


def _user(where: str, message: _Message, found: Conversation) -> None:
    blocks = [_IMAGE_OR_TEXT.get(part.type, _no_part)(where, part) for part in _parts(message)]
    if found.turns and _answers_tools(found.turns[-1]):
        found.turns[-1]["content"].extend(blocks)
    else:
        found.turns.append({"role": "user", "content": blocks})


def _assistant(where: str, message: _Message, found: Conversation) -> None:
    if message.function_call or message.audio:
        raise Unsayable(where, "holds a function call of the old kind or audio")
    kept = found.thoughts(tuple(call.id for call in message.tool_calls or []))
    if kept is not None:
        found.turns.append({"role": "assistant", "content": kept})
        return
    blocks = [block for block in _texts(where, message) if block["text"]]  # an empty one is refused there
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    blocks += [_tool_use(where, call) for call in message.tool_calls or []]
    if blocks:
        found.turns.append({"role": "assistant", "content": blocks})


def _tool(where: str, message: _Message, found: Conversation) -> None:
    if not message.tool_call_id:
        raise Unsayable(where, "is a tool's result without tool_call_id")
    result: Block = {"type": "tool_result", "tool_use_id": safe_id(message.tool_call_id)}
    texts = [block for block in _texts(where, message) if block["text"]]
    if texts:
        result["content"] = texts
    if found.turns and _answers_tools(found.turns[-1]) and found.turns[-1]["content"][-1]["type"] == "tool_result":
        found.turns[-1]["content"].append(result)
    else:
        found.turns.append({"role": "user", "content": [result]})


_SAY = {"system": _system, "developer": _system, "user": _user, "assistant": _assistant, "tool": _tool}


def _answers_tools(turn: Block) -> bool:
    return turn["role"] == "user" and bool(turn["content"]) and turn["content"][0]["type"] == "tool_result"


def _parts(message: _Message) -> list[_Part]:
    if isinstance(message.content, list):
        return message.content
    return [] if message.content is None else [_Part("text", message.content)]


def _texts(where: str, message: _Message) -> list[Block]:
    found = []
    for part in _parts(message):
        if part.type not in ("text", "refusal"):
            raise Unsayable(where, "holds a part that is no text, where only text is taken")
        found.append(_text(where, part))
    return found


def _text(where: str, part: _Part) -> Block:  # noqa: ARG001
    return _marked(part, {"type": "text", "text": part.text or part.refusal or ""})


def _image(where: str, part: _Part) -> Block:
    url = part.image_url.url if part.image_url is not None else ""
    if url.startswith(("http://", "https://")):
        return _marked(part, {"type": "image", "source": {"type": "url", "url": url}})
    found = _DATA_URL.match(url)
    if found is None:
        raise Unsayable(where, "holds an image that is neither a web address nor a data URL in base64")
    if found[1] not in _IMAGES:
        raise Unsayable(where, f"holds an image that is none of {', '.join(sorted(_IMAGES))}")
    return _marked(
        part, {"type": "image", "source": {"type": "base64", "media_type": found[1], "data": url[found.end() :]}}
    )


def _no_part(where: str, part: _Part) -> Block:  # noqa: ARG001
    raise Unsayable(where, "holds a part that is neither text nor image")


_IMAGE_OR_TEXT = {"text": _text, "image_url": _image}


def _marked(part: _Part, block: Block) -> Block:
    if part.cache_control is not None:
        block["cache_control"] = part.cache_control
    return block


def _tool_use(where: str, call: _Call) -> Block:
    if call.function is None:
        raise Unsayable(where, "calls a tool that is no function")
    try:
        arguments = _ARGUMENTS.decode(call.function.arguments or "{}")
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unsayable(where, "calls a tool with arguments that are no JSON object") from exc
    return {"type": "tool_use", "id": safe_id(call.id), "name": call.function.name, "input": arguments}
