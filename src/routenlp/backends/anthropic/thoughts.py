"""What a model thought before it called tools.

It must be given back with their results, and OpenAI's words have no place for it. So it is kept here, in memory, by the
ids of the calls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

MOST_BYTES = 32 << 20
"""Of all that is kept; the oldest is forgotten first, and a model whose thoughts are forgotten may refuse to go on."""
CallIds = tuple[str, ...]


class Block(msgspec.Struct):
    """A part of an answer. Kinds that are not known say nothing here."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


NOTHING = msgspec.Raw(b"")
"""Of a call's input that comes in pieces, before the first."""
_EMPTY = msgspec.Raw(b"{}")
_FIELDS = {
    "text": ("type", "text"),
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
    "tool_use": ("type", "id", "name", "input"),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """An assistant's turn that thought and called tools, as it is to be given back."""

    call_ids: CallIds
    content: msgspec.Raw


def thoughtful_turn(blocks: Iterable[Block]) -> Turn | None:
    """None for a turn without thoughts or without calls, which can be given back in OpenAI's words."""
    kept = [block for block in blocks if block.type in _FIELDS]
    calls = [block for block in kept if block.type == "tool_use"]
    for call in calls:
        if call.input == NOTHING:
            call.input = _EMPTY
    if not calls or not any(map(is_thought, kept)) or not all(_is_object(call.input) for call in calls):
        return None
    said = [{name: getattr(block, name) for name in _FIELDS[block.type]} for block in kept]
    return Turn(tuple(call.id for call in calls), msgspec.Raw(msgspec.json.encode(said)))


def _is_object(raw: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def is_thought(block: Block) -> bool:
    """Whether the block is one that must be given back."""
    return block.type in ("thinking", "redacted_thinking")


class Thoughts:
    """Of one tier; belongs to one event loop."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._size = 0
        self._kept: OrderedDict[CallIds, msgspec.Raw] = OrderedDict()

    def keep(self, turn: Turn | None) -> None:
        """Until `most_bytes` of later ones have come."""
        if turn is None:
            return
        self._size += len(bytes(turn.content)) - len(bytes(self._kept.pop(turn.call_ids, b"")))
        self._kept[turn.call_ids] = turn.content
        while self._size > self._most_bytes:
            self._size -= len(bytes(self._kept.popitem(last=False)[1]))

    def of(self, call_ids: CallIds) -> msgspec.Raw | None:
        """The turn that made exactly these calls, in their order; None where it is not known."""
        return self._kept.get(call_ids)


def forgotten(_: CallIds) -> msgspec.Raw | None:
    """Where nothing is kept."""
    return None
