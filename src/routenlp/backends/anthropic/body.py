"""A chat request as the Messages API takes it.

Each field of a request is of one of five kinds: translated; the Messages API's own, which pass through; bookkeeping,
which says nothing to a model; what holds the default anyway; and all others, which are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from routenlp.backends.anthropic import tools
from routenlp.backends.anthropic.messages import conversation
from routenlp.backends.anthropic.thoughts import CallIds, forgotten
from routenlp.backends.anthropic.unsayable import Unsayable
from routenlp.backends.remote.dialect import Dialect

VERSION = "2023-06-01"
_NULL = msgspec.Raw(b"null")
_OWN = frozenset({"cache_control", "thinking", "top_k"})
_BOOKKEEPING = frozenset(
    {
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)
_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "presence_penalty": (0,),
    "service_tier": ("auto",),
    "temperature": (1,),
    "top_logprobs": (0,),
    "top_p": (1,),
    "verbosity": ("medium",),
}
_EFFORTS = ("low", "medium", "high", "xhigh")
Said = dict[str, Any]


class _Schema(msgspec.Struct):
    schema: msgspec.Raw = _NULL


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


def dialect(key: str | None) -> Dialect:
    """Of the Messages API."""
    return Dialect("/messages", {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}, key)


def messages_body(
    fields: Mapping[str, msgspec.Raw],
    model: str,
    *,
    stream: bool,
    most_tokens: int,
    thoughts: Callable[[CallIds], msgspec.Raw | None] = forgotten,
) -> bytes:
    """JSON of the request. Raises `Unsayable`.

    `most_tokens`: of the answer, where the client sets no bound. `thoughts`: turns to be given back as they were.
    """
    asked = {name: raw for name, raw in fields.items() if raw != _NULL and name not in _BOOKKEEPING}
    talk = conversation(asked.pop("messages"), thoughts)
    said: Said = {"model": model, "max_tokens": _bound(asked, most_tokens), "messages": talk.turns}
    if talk.system:
        said["system"] = talk.system
    if stream:
        said["stream"] = True
    _say_tools(asked, said)
    for name, raw in asked.items():
        if name in _OWN:
            said[name] = raw
        elif not _is_default(name, raw):
            _TRANSLATED.get(name, _refuse)(name, raw, said)
    return msgspec.json.encode(said)


def _bound(asked: dict[str, msgspec.Raw], most_tokens: int) -> int:
    given = [asked.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    bound = next((_read("max_tokens", raw, int | float) for raw in given if raw is not None), most_tokens)
    if bound != bound // 1:
        raise Unsayable("max_tokens", "is no whole number")
    return int(bound)


def _say_tools(asked: dict[str, msgspec.Raw], said: Said) -> None:
    offered = tools.offered(asked.pop("tools", _NULL))
    choice = tools.choice(asked.pop("tool_choice", _NULL), asked.pop("parallel_tool_calls", _NULL))
    if offered:
        said["tools"] = offered
        if choice is not None:
            said["tool_choice"] = choice


def _is_default(name: str, raw: msgspec.Raw) -> bool:
    return name in _DEFAULTS and _read(name, raw, Any) in _DEFAULTS[name]


def _share(name: str, raw: msgspec.Raw, said: Said) -> None:
    value = _read(name, raw, float)
    if not 0.0 <= value <= 1.0:
        raise Unsayable(name, "is over 1, the most that can be asked for there")
    said[name] = raw


def _stop(name: str, raw: msgspec.Raw, said: Said) -> None:
    given = _read(name, raw, str | list[str])
    said["stop_sequences"] = [given] if isinstance(given, str) else given


def _effort(name: str, raw: msgspec.Raw, said: Said) -> None:
    effort = _read(name, raw, str)
    if effort not in _EFFORTS:
        raise Unsayable(name, f"is none of {', '.join(_EFFORTS)}")
    said.setdefault("output_config", {})["effort"] = effort


def _format(name: str, raw: msgspec.Raw, said: Said) -> None:
    given = _read(name, raw, _Format)
    if given.type == "text":
        return
    if given.type != "json_schema" or given.json_schema is None or given.json_schema.schema == _NULL:
        raise Unsayable(name, "asks for JSON without a schema, which cannot be promised there")
    said.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": given.json_schema.schema}


def _refuse(name: str, raw: msgspec.Raw, said: Said) -> None:  # noqa: ARG001
    raise Unsayable(name, "has no like in the Messages API")


_TRANSLATED = {
    "reasoning_effort": _effort,
    "response_format": _format,
    "stop": _stop,
    "temperature": _share,
    "top_p": _share,
}


def _read(name: str, raw: msgspec.Raw, type_: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unsayable(name, f"cannot be read: {exc}") from exc
