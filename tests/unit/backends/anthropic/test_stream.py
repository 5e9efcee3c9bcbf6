"""A stream means the same however its bytes are cut."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.messages_stub import encoded, events, message

from routenlp.backends.anthropic import answer
from routenlp.backends.anthropic.stream import StreamError, Translation
from routenlp.backends.openai_compatible import completion
from routenlp.backends.openai_compatible.events import Meter
from routenlp.backends.remote.sse import BadEvent
from routenlp.portfolio.prices import Cached

TOOLS = [{"name": "weather"}, {"name": "time"}]
ASKED = SimpleNamespace(body={"model": "m", "messages": [{"role": "user", "content": []}], "tools": TOOLS})
SENT = b"".join(map(encoded, events(ASKED)))


def translated(pieces: list[bytes]) -> bytes:
    translation = Translation(7.5)
    return b"".join(map(translation.feed, pieces))


@given(st.lists(st.integers(0, len(SENT)), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_however_it_is_cut(cuts, newline):
    sent = SENT.replace(b"\n", newline)
    at = [0, *sorted(cuts), len(sent)]
    assert translated([sent[a:b] for a, b in itertools.pairwise(at)]) == translated([SENT])


def test_a_stream_says_what_a_whole_answer_says():
    whole = completion.read(answer.completion(json.dumps(message(ASKED)).encode(), 7.5))
    meter = Meter(show_usage=True)
    meter.feed(translated([SENT]))
    assert meter.done
    assert (meter.id, tuple(meter.tool_call_ids)) == (whole.id, whole.tool_call_ids)
    assert meter.usage == whole.usage
    assert whole.usage.cached == Cached(read=40, write=20)


def test_what_was_kept_for_an_hour_is_told_apart():
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9}
    kept = usage | {"cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}}
    found = completion.read(answer.completion(json.dumps(message(ASKED, usage=kept)).encode(), 0.0))
    assert found.usage.cached == Cached(write=4, write_1h=5)


@pytest.mark.parametrize("usage", [{}, {"input_tokens": 5}, {"output_tokens": 5}])
def test_usage_that_is_not_whole_is_none(usage):
    found = completion.read(answer.completion(json.dumps(message(ASKED, usage=usage)).encode(), 0.0))
    assert found.usage is None


def test_thoughts_are_apart_from_the_answer():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "yes"}]
    said = answer.completion(json.dumps(message(ASKED, content=blocks)).encode(), 0.0)
    assert completion.read(said).text == "yes"
    assert json.loads(said)["choices"][0]["message"]["reasoning_content"] == "hm"
    meter = Meter(show_usage=False)
    sent = translated([b"".join(map(encoded, events(ASKED, content=blocks)))])
    meter.feed(sent)
    assert "".join(meter.text) == "yes"
    assert b'"reasoning_content":"hm"' in sent


def test_a_comment_keeps_a_connection_alive_and_says_nothing():
    assert translated([b": hello\n\n"]) == b""


@pytest.mark.parametrize("kind", ["overloaded_error", "words of the endpoint's own"])
def test_an_error_says_its_kind_and_nothing_else(kind):
    sent = encoded({"type": "error", "error": {"type": kind, "message": "secret words"}})
    with pytest.raises(StreamError) as caught:
        translated([sent])
    assert "words" not in str(caught.value)


@given(st.binary(max_size=60))
def test_garbage_is_nothing_or_an_error(data):
    try:
        found = translated([data])
    except BadEvent:
        return
    assert found == b""


@given(st.binary(max_size=60))
def test_garbage_is_no_answer_and_no_error(data):
    assert answer.completion(data, 0.0) is None
    assert answer.error_body(data) == data
