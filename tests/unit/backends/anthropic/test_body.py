"""Chat requests in the words of the Messages API; what has no like there is refused by name."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.anthropic.body import dialect, messages_body
from routenlp.backends.anthropic.unsayable import Unsayable

HELLO = [{"role": "user", "content": "hello"}]
FUNCTION = {"type": "function", "function": {"name": "f"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def raws(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}


def said(messages: list[dict] = HELLO, **fields) -> dict[str, Any]:
    return json.loads(messages_body(raws({"messages": messages, **fields}), "m", stream=False, most_tokens=99))


def test_the_least_that_can_be_asked():
    assert said(model="auto", user="u", metadata={"a": "b"}, store=False, stream=True, seed=None) == {
        "model": "m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }


def test_the_clients_bound_goes_before_ours():
    assert said(max_tokens=5)["max_tokens"] == 5
    assert said(max_tokens=5, max_completion_tokens=7)["max_tokens"] == 7
    assert said(max_tokens=None)["max_tokens"] == 99
    assert said(max_tokens=8.0)["max_tokens"] == 8
    assert said(max_tokens=10**400)["max_tokens"] == 10**400


def test_what_holds_the_default_anyway_is_left_out():
    defaults = {"n": 1, "temperature": 1.0, "top_p": 1, "logprobs": False, "presence_penalty": 0.0, "logit_bias": {}}
    assert said(**defaults, response_format={"type": "text"}) == said()


def test_the_apis_own_fields_pass_through():
    own = {"top_k": 5, "thinking": {"type": "adaptive"}, "cache_control": {"type": "ephemeral"}}
    assert said(**own).items() >= own.items()


def test_sampling_stops_and_effort():
    found = said(temperature=0, top_p=0.5, stop="end", reasoning_effort="low")
    assert (found["temperature"], found["top_p"], found["stop_sequences"]) == (0, 0.5, ["end"])
    assert found["output_config"] == {"effort": "low"}
    assert said(stop=["a", "b"])["stop_sequences"] == ["a", "b"]


def test_a_schema_is_asked_for():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    found = said(
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    )
    assert found["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": FUNCTION}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_the_choice_of_tools(asked, means):
    assert said(tools=[FUNCTION], **asked).get("tool_choice") == means
    assert "tool_choice" not in said(**asked), "without tools there is nothing to choose"


def test_a_tool_with_all_that_can_be_said_of_it():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "f", "description": "d", "parameters": schema, "strict": True}
    found = said(tools=[{"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}])["tools"][0]
    assert found == {
        "name": "f",
        "description": "d",
        "input_schema": schema,
        "strict": True,
        "cache_control": {"type": "ephemeral"},
    }
    assert said(tools=[FUNCTION])["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("seed", 7),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("temperature", 1.5),
        ("temperature", "hot"),
        ("frequency_penalty", 0.5),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", "json"),
        ("reasoning_effort", "minimal"),
        ("service_tier", "flex"),
        ("modalities", ["text", "audio"]),
        ("tools", [{"type": "custom", "custom": {"name": "c"}}]),
        ("tools", "all"),
        ("tool_choice", "maybe"),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {}}),
        ("web_search_options", {}),
        ("x_new", 1),
        ("max_tokens", "many"),
        ("max_tokens", 1.5),
        ("temperature", 10**400),
    ],
)
def test_what_has_no_like_is_refused_by_name(field, value):
    with pytest.raises(Unsayable, match=field.split("_")[0]):
        said(**{field: value})


def test_a_name_of_any_length_is_cut():
    with pytest.raises(Unsayable) as caught:
        said(**{"x" * 10_000: 1})
    assert len(str(caught.value)) < 200


@given(st.dictionaries(st.sampled_from(["n", "stop", "tools", "tool_choice", "response_format", "x"]), JSON), JSON)
def test_whatever_is_asked_is_said_or_refused(fields, content):
    messages = [{"role": "user", "content": content}]
    try:
        found = messages_body(raws({"messages": messages, **fields}), "m", stream=False, most_tokens=99)
    except Unsayable:
        return
    assert json.loads(found)["model"] == "m"


def test_the_key_has_a_header_of_its_own_and_is_never_shown():
    spoken = dialect("very-secret")
    assert spoken.headers == {"anthropic-version": "2023-06-01", "x-api-key": "very-secret"}
    assert "very-secret" not in repr(spoken)
    assert "x-api-key" not in dialect(None).headers
