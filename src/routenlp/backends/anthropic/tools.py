"""Tools on offer, and how free the model is to call them."""

from __future__ import annotations

from typing import Any

import msgspec

from routenlp.backends.anthropic.unsayable import Unsayable

_NULL = msgspec.Raw(b"null")
_ANYTHING = msgspec.Raw(b'{"type":"object","properties":{}}')


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NULL
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None
    cache_control: dict[str, Any] | None = None


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    type: str
    function: _Named | None = None


_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_CHOICE = msgspec.json.Decoder(str | _Choice | None)
_PARALLEL = msgspec.json.Decoder(bool | None)
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def offered(raw: msgspec.Raw) -> list[dict[str, Any]]:
    """As the Messages API takes them; raises `Unsayable`."""
    try:
        tools = _TOOLS.decode(raw) or []
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unsayable("tools", f"cannot be read: {exc}") from exc
    return [_tool(tool) for tool in tools]


def _tool(tool: _Tool) -> dict[str, Any]:
    function = tool.function
    if tool.type != "function" or function is None:
        raise Unsayable("tools", "offers something other than a function")
    said: dict[str, Any] = {
        "name": function.name,
        "input_schema": _ANYTHING if function.parameters == _NULL else function.parameters,
    }
    if function.description:
        said["description"] = function.description
    if function.strict:
        said["strict"] = True
    if tool.cache_control is not None:
        said["cache_control"] = tool.cache_control
    return said


def choice(raw: msgspec.Raw, parallel: msgspec.Raw) -> dict[str, Any] | None:
    """`tool_choice` and `parallel_tool_calls` as one; None where the default holds. Raises `Unsayable`."""
    try:
        chosen, many = _CHOICE.decode(raw), _PARALLEL.decode(parallel)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unsayable("tool_choice", f"cannot be read: {exc}") from exc
    said = _choice(chosen)
    if many is False and said != {"type": "none"}:
        said = {**(said or {"type": "auto"}), "disable_parallel_tool_use": True}
    return said


def _choice(chosen: str | _Choice | None) -> dict[str, Any] | None:
    if chosen is None:
        return None
    if isinstance(chosen, _Choice):
        if chosen.type != "function" or chosen.function is None:
            raise Unsayable("tool_choice", "names something other than a function")
        return {"type": "tool", "name": chosen.function.name}
    if chosen not in _CHOICES:
        raise Unsayable("tool_choice", f"is none of {', '.join(_CHOICES)}")
    return {"type": _CHOICES[chosen]}
