"""What a chat request's messages say: the last one's text, and the turns before it, as routers and students read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from routenlp.types import Turn

INSTRUCTIONS = frozenset({"system", "developer"})
"""Roles that tell the model what to do: alike in all queries of a task, so that they are no part of a query."""


class Part(msgspec.Struct):
    """A piece of a message; only texts are read."""

    type: str = ""
    text: str | None = None


class Message(msgspec.Struct):
    """One message."""

    role: str
    content: str | list[Part] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """Its texts, a line each."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


def turns_before_last(messages: Sequence[Message]) -> tuple[Turn, ...]:
    """The conversation before the last message, without instructions."""
    return tuple(Turn(m.role, m.text) for m in messages[:-1] if m.role not in INSTRUCTIONS)
