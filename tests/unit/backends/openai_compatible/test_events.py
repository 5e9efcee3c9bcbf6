"""Streams are cut into whole events, metered, and passed on unchanged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.openai_compatible.completion import Usage
from routenlp.backends.openai_compatible.events import DONE, BadEvent, Meter, as_events


def event(**chunk) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def said(text: str) -> bytes:
    return event(id="c1", choices=[{"index": 0, "delta": {"content": text}}], usage=None)


USAGE = event(id="c1", choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
STREAM = said("hel") + said("lo") + USAGE + DONE


@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.sampled_from([b"\n", b"\r\n"]))
def test_however_the_bytes_come_the_same_events_go(cuts, newline):
    sent = STREAM.replace(b"\n", newline)
    meter, out, at = Meter(show_usage=True), b"", 0
    for cut in sorted({*cuts, len(sent)}):
        out += meter.feed(sent[at:cut])
        at = cut
    assert out == STREAM
    assert (meter.done, meter.id, "".join(meter.text), meter.usage) == (True, "c1", "hello", Usage(3, 2))


def test_usage_is_metered_and_hidden_from_who_did_not_ask():
    meter = Meter(show_usage=False)
    assert meter.feed(STREAM) == said("hel") + said("lo") + DONE
    assert meter.usage == Usage(3, 2)


def test_lines_may_end_as_in_http():
    assert Meter(show_usage=True).feed(STREAM.replace(b"\n", b"\r\n")) == STREAM


def test_comments_pass():
    assert Meter(show_usage=False).feed(b": ping\n\n") == b": ping\n\n"


def test_events_with_names_and_ids_are_read_like_others():
    meter = Meter(show_usage=True)
    named = STREAM.replace(b"data: ", b"event: message\nid: 7\ndata: ")
    assert meter.feed(named) == named
    assert (meter.done, "".join(meter.text), meter.usage) == (True, "hello", Usage(3, 2))
    with pytest.raises(BadEvent):
        Meter(show_usage=True).feed(b"event: hello\ndata: 7\n\n")


@pytest.mark.parametrize(
    "bad", [b"<html>\n\n", b"data: {\n\n", b'data: {"error": {"message": "x"}}\n\n', b"data: 7\n\n"]
)
def test_what_is_no_chunk_is_an_error(bad):
    with pytest.raises(BadEvent):
        Meter(show_usage=False).feed(bad)


def test_a_stream_without_its_end_is_cut():
    meter = Meter(show_usage=False)
    meter.feed(said("hel"))
    assert meter.cut


def test_a_whole_answer_becomes_a_stream_that_says_the_same():
    calls = [{"id": f"call_{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in (0, 1)]
    body = {
        "id": "c2",
        "model": "m",
        "created": 1,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "tool_calls": calls}, "finish_reason": "tool_calls"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    meter = Meter(show_usage=True)
    events = meter.feed(as_events(json.dumps(body).encode(), show_usage=True))
    assert (meter.done, meter.text, meter.tool_call_ids, meter.usage) == (
        True,
        ["hi"],
        ["call_0", "call_1"],
        Usage(1, 2),
    )
    chunks = [json.loads(line[6:]) for line in events.split(b"\n\n")[:-2]]
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None, "stop", None, "tool_calls"]
    assert [call["index"] for call in chunks[2]["choices"][0]["delta"]["tool_calls"]] == [0, 1]
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"}
