"""What was thought is kept by the calls that it led to, and not for ever."""

from __future__ import annotations

import json

import msgspec
import pytest

from routenlp.backends.anthropic.thoughts import Block, Thoughts, thoughtful_turn

THOUGHT = Block("thinking", thinking="hm", signature="s")


def call(call_id: str, arguments: bytes = b'{"a": 1}') -> Block:
    return Block("tool_use", id=call_id, name="f", input=msgspec.Raw(arguments))


def test_a_turn_is_given_back_as_it_was():
    thoughts = Thoughts()
    thoughts.keep(thoughtful_turn([THOUGHT, Block("text", text="so"), call("a"), call("b")]))
    assert [block["type"] for block in json.loads(bytes(thoughts.of(("a", "b"))))] == [
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert thoughts.of(("a",)) is None
    assert thoughts.of(()) is None


@pytest.mark.parametrize(
    "blocks", [[], [THOUGHT], [call("a")], [Block("text", text="x"), call("a")], [THOUGHT, call("a", b'{"half')]]
)
def test_a_turn_that_needs_no_keeping_or_cannot_be_kept_is_none(blocks):
    assert thoughtful_turn(blocks) is None


def test_the_oldest_is_forgotten_first():
    thoughts = Thoughts(most_bytes=1_000)
    for at in range(100):
        thoughts.keep(thoughtful_turn([THOUGHT, call(str(at))]))
        thoughts.keep(thoughtful_turn([THOUGHT, call(str(at))]))
    assert thoughts.of(("0",)) is None
    assert thoughts.of(("99",)) is not None
    assert sum(thoughts.of((str(at),)) is not None for at in range(100)) > 3
