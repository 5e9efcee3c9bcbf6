"""Tokens as the Messages API counts them, in OpenAI's words.

There: fresh input, input from the cache and input put into it, each apart. Here: all input, and which part was cached.
"""

from __future__ import annotations

import msgspec


class _Kept(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class Tokens(msgspec.Struct):
    """Of an answer, or of as much of it as came: a stream counts up."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Kept | None = None

    def later(self, newer: Tokens) -> Tokens:
        """These, with what `newer` says instead."""
        said = {name: value for name in self.__struct_fields__ if (value := getattr(newer, name)) is not None}
        return msgspec.structs.replace(self, **said)


def in_openais_words(tokens: Tokens) -> dict[str, object] | None:
    """`usage` of a completion; None where input or output is not known, so that nobody takes it for nothing.

    `cache_write_1h_tokens` is a name of ours, for what OpenAI has no word.
    """
    if tokens.input_tokens is None or tokens.output_tokens is None:
        return None
    read, written = tokens.cache_read_input_tokens or 0, tokens.cache_creation_input_tokens or 0
    for_an_hour = (tokens.cache_creation.ephemeral_1h_input_tokens or 0) if tokens.cache_creation is not None else 0
    everything = tokens.input_tokens + read + written
    details: dict[str, int] = {"cached_tokens": read, "cache_write_tokens": written - for_an_hour}
    if for_an_hour:
        details["cache_write_1h_tokens"] = for_an_hour
    return {
        "prompt_tokens": everything,
        "completion_tokens": tokens.output_tokens,
        "total_tokens": everything + tokens.output_tokens,
        "prompt_tokens_details": details,
    }
