"""Turns of a conversation."""

from __future__ import annotations

import json

import msgspec
import pytest

from routenlp.backends.anthropic.messages import conversation
from routenlp.backends.anthropic.unsayable import Unsayable

USER = {"role": "user", "content": "hello"}


def talk(*messages: dict):
    found = conversation(msgspec.Raw(json.dumps(messages).encode()))
    return json.loads(msgspec.json.encode({"system": found.system, "turns": found.turns}))


def text(words: str, **more) -> dict:
    return {"type": "text", "text": words, **more}


def call(call_id: str, arguments: str = '{"a": 1}') -> dict:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_instructions_are_gathered_in_their_order():
    found = talk({"role": "system", "content": "a"}, USER, {"role": "developer", "content": [text("b"), text("")]})
    assert found == {"system": [text("a"), text("b")], "turns": [{"role": "user", "content": [text("hello")]}]}


def test_images_by_address_and_by_value():
    urls = ("https://example.org/a.png", "data:image/jpeg;base64,AAAA")
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}} for url in urls]
    (turn,) = talk({"role": "user", "content": [text("look"), *parts]})["turns"]
    assert [block.get("source") for block in turn["content"]] == [
        None,
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
    ]


def test_results_of_parallel_calls_are_one_turn_with_what_follows():
    assistant = {"role": "assistant", "content": "", "tool_calls": [call("functions.f:0"), call("b", "")]}
    results = [
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": [text("late")]},
    ]
    found = talk(USER, assistant, *results, USER, {"role": "assistant", "content": "so"}, USER)["turns"]
    assert [turn["role"] for turn in found] == ["user", "assistant", "user", "assistant", "user"]
    assert found[1]["content"] == [
        {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    assert found[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "functions_f_0", "content": [text("sunny")]},
        {"type": "tool_result", "tool_use_id": "b", "content": [text("late")]},
        text("hello"),
    ]


def test_two_rounds_of_calls_stay_two_turns():
    rounds = [
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "assistant", "content": "again", "tool_calls": [call("b")]},
        {"role": "tool", "tool_call_id": "b", "content": "x"},
    ]
    found = talk(USER, *rounds)["turns"]
    assert [turn["role"] for turn in found] == ["user", "assistant", "user", "assistant", "user"]
    assert found[2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}], "no empty text, which is refused there"


def test_marks_of_what_to_cache_are_kept():
    mark = {"type": "ephemeral", "ttl": "1h"}
    found = talk({"role": "system", "content": [text("a", cache_control=mark)]}, USER)
    assert found["system"] == [text("a", cache_control=mark)]


def test_a_refusal_is_something_that_was_said():
    found = talk(USER, {"role": "assistant", "content": None, "refusal": "no"}, USER)["turns"]
    assert found[1] == {"role": "assistant", "content": [text("no")]}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "content": "x"},
        {"role": "tool", "content": "x"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}}]},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
        {"role": "assistant", "audio": {"id": "a"}},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "tool_calls": [call("a", "[1]")]},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]},
        {"role": "assistant", "tool_calls": "many"},
    ],
)
def test_what_cannot_be_said_is_refused_and_never_lost(message):
    with pytest.raises(Unsayable, match="messages"):
        talk(USER, message, USER)


def test_an_assistant_at_the_end_would_be_continued():
    with pytest.raises(Unsayable, match="end with the assistant"):
        talk(USER, {"role": "assistant", "content": "The answer is ("})
