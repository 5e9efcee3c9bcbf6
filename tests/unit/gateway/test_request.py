"""Requests are read as far as routing needs; nothing raises but `ApiError`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.gateway.errors import ApiError
from routenlp.gateway.request import parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["model", "messages", "stream", "stream_options", "logprobs", "n", "metadata", "max_tokens", "tools"]


def body(**fields) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.booleans())
def test_whatever_a_client_sends_is_read_or_refused(fields, whole):
    refused = None
    try:
        request = parse(body(**fields) if whole else json.dumps(fields).encode())
    except ApiError as error:
        refused = error.status
    assert refused == 400 if refused else request.model


@given(st.binary(max_size=40))
def test_bytes_are_refused(data):
    with pytest.raises(ApiError):
        parse(data)


def test_a_conversation():
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]
    request = parse(body(messages=messages))
    assert [(turn.role, turn.text) for turn in request.turns] == [("user", "look"), ("assistant", ""), ("tool", "1")]
    assert (request.text, set(request.tool_call_ids)) == ("2", {"a", "b"})


def test_the_task_in_metadata_is_ours_and_the_rest_is_not():
    request = parse(body(metadata={"task": "intent", "user": "u"}))
    assert (request.task, bytes(request.fields["metadata"])) == ("intent", b'{"user":"u"}')
    assert "metadata" not in parse(body(metadata={"task": "intent"})).fields
    assert bytes(parse(body(metadata={"a": 1})).fields["metadata"]) == b'{"a": 1}'


def test_texts_in_metadata_reach_tiers_that_read_them_and_ours_reach_nobody_else():
    request = parse(body(metadata={"task": "ner", "schema": "fiqa", "query_id": "q7", "user": "u", "n": 3}))
    assert (request.task, request.metadata) == ("ner", {"schema": "fiqa", "query_id": "q7", "user": "u"})
    assert json.loads(bytes(request.fields["metadata"])) == {"user": "u", "n": 3}
