"""The official OpenAI client, with a tier behind Anthropic's Messages API."""

from __future__ import annotations

import itertools
import json

import openai
import pytest
from aiohttp import web
from pydantic import BaseModel, TypeAdapter
from tests.gateway import messages_stub, running
from tests.gateway.messages_stub import error, events, message, refusing, streamed
from tests.gateway.stub import Asked, in_turn, raw, silent
from tests.gateway.test_official_client import tool

HELLO = [{"role": "user", "content": "hello"}]
PRICE = (10 + 40 * 0.1 + 20 * 1.25 + 5) * 100e-6
"""Fresh, read, written, answered; at 100 USD a million tokens of the top tier."""


@pytest.fixture(scope="module")
def shared(stub_server, tmp_path_factory):
    backends = {"small": "anthropic", "top": "anthropic"}
    policy_folder = running.write_policy(tmp_path_factory.mktemp("policy"), backends=backends)
    keys = "first_token_s: 2, total_s: 3, retries: 1"
    text = running.settings(stub_server.url, policy_folder, tier=f", {keys}")
    for tier, usd in (("small", 1.0), ("top", 100.0)):
        cached = f"cache_read_usd_per_mtok: {usd / 10}, cache_write_usd_per_mtok: {usd * 1.25}, "
        text = text.replace(f"name: {tier}, backend: openai", f"name: {tier}, backend: anthropic, drop: [seed]")
        text = text.replace(f"{{input_usd_per_mtok: {usd}", f"{{{cached}input_usd_per_mtok: {usd}")
    gateway = running.start(tmp_path_factory.mktemp("anthropic"), text)
    yield gateway
    gateway.stop()


@pytest.fixture
def client(shared, stub):
    with openai.OpenAI(base_url=shared.base_url, api_key="none", max_retries=0, timeout=10) as one:
        yield one


def ask(client, model="top", messages=HELLO, **more):
    return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def test_the_stub_speaks_as_the_official_client_expects():
    from anthropic.types import Message, RawMessageStreamEvent

    asked = Asked(None, {"model": "m", "messages": [{"role": "user", "content": []}], "tools": [{"name": "t"}]}, {})
    Message.model_validate(message(asked), strict=True)
    for event in events(asked):
        if event["type"] != "ping":
            TypeAdapter(RawMessageStreamEvent).validate_python(event)


def test_a_plain_answer(client, stub):
    response = ask(client)
    done = response.parse()
    assert done.choices[0].message.content == "hello from top-model"
    assert (done.id, done.choices[0].finish_reason, done.choices[0].logprobs) == ("msg_1", "stop", None)
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (70, 5, 75)
    assert done.usage.prompt_tokens_details.cached_tokens == 40
    assert done.usage.prompt_tokens_details.cache_write_tokens == 20
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(PRICE)
    assert stub.asked[0].body == {
        "model": "top-model",
        "max_tokens": 16384,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }


def test_a_stream_with_usage(client, stub, shared):
    before = shared.metric('routenlp_cost_usd_total{tier="top"')
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="top", messages=HELLO, stream=True, stream_options=options)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello from top-model"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (70, 5)
    assert running.until(lambda: shared.metric('routenlp_cost_usd_total{tier="top"') > before)
    assert shared.metric('routenlp_cost_usd_total{tier="top"') - before == pytest.approx(PRICE)


@pytest.mark.parametrize("names", [["weather"], ["weather", "time"]])
def test_tool_calls_and_their_results(client, stub, names):
    tools = [tool(name) for name in names]
    first = ask(client, tools=tools, parallel_tool_calls=True, tool_choice="required").parse().choices[0]
    assert first.finish_reason == "tool_calls"
    calls = first.message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        (n, '{"city": "Paris"}') for n in names
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    turn = first.message.model_dump()
    done = ask(client, tools=tools, messages=[*HELLO, turn, *results, {"role": "user", "content": "so?"}]).parse()
    assert done.choices[0].message.content == "hello from top-model"
    assert stub.asked[0].body["tool_choice"] == {"type": "any"}
    spoken = stub.asked[1].body["messages"]
    assert [turn["role"] for turn in spoken] == ["user", "assistant", "user"]
    assert [block["type"] for block in spoken[1]["content"]] == ["text", *["tool_use"] * len(names)]
    assert [block["type"] for block in spoken[2]["content"]] == [*["tool_result"] * len(names), "text"]


def test_tool_calls_in_a_stream(client):
    with client.chat.completions.stream(model="top", messages=HELLO, tools=[tool("weather"), tool("time")]) as stream:
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in final.message.tool_calls] == [{"city": "Paris"}] * 2


def test_everything_at_once_is_what_the_api_takes(client, stub):
    images = [
        {"type": "image_url", "image_url": {"url": u}} for u in ("https://x.org/a.png", "data:image/png;base64,AA")
    ]
    said = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, *images]},
        {"role": "assistant", "content": "I see"},
        {"role": "system", "content": [{"type": "text", "text": "in French", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "and?"},
    ]
    options = {
        "temperature": 0.5,
        "stop": ["x", "y"],
        "max_completion_tokens": 50,
        "user": "u",
        "reasoning_effort": "low",
    }
    choice = {"tools": [tool("weather")], "tool_choice": {"type": "function", "function": {"name": "weather"}}}
    own = {"top_k": 5, "thinking": {"type": "adaptive"}}
    done = ask(client, messages=said, **options, **choice, parallel_tool_calls=False, extra_body=own).parse()
    assert done.choices[0].message.tool_calls[0].function.name == "weather"
    body = stub.asked[0].body
    assert body["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    assert [block["type"] for block in body["messages"][0]["content"]] == ["text", "image", "image"]
    assert [block["text"] for block in body["system"]] == ["be brief", "in French"]
    assert (body["max_tokens"], body["stop_sequences"], body["top_k"]) == (50, ["x", "y"], 5)


THOUGHTS = [
    {"type": "thinking", "thinking": "it may rain", "signature": "sig"},
    {"type": "redacted_thinking", "data": "xyz"},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"city": "Paris"}},
    {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {}},
]


async def thoughtful(asked):
    """Thinks, and calls a tool twice; then it wants back what it thought."""
    if len(asked.body["messages"]) == 1:
        said = {"content": THOUGHTS, "stop_reason": "tool_use"}
        if asked.body.get("stream"):
            return await streamed(asked, events(asked, **said))
        return web.json_response(message(asked, **said))
    if asked.body["messages"][1]["content"] != THOUGHTS:
        return error(400, "invalid_request_error")
    return await messages_stub.plain(asked)


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_thought_before_a_call_is_given_back_with_its_results(client, stub, stream):
    stub.behaviours["top-model"] = thoughtful
    asked = {"model": "top", "messages": HELLO, "tools": [tool("weather")]}
    if stream:
        with client.chat.completions.stream(**asked) as parts:
            said = parts.get_final_completion().choices[0].message
    else:
        said = client.chat.completions.create(**asked).choices[0].message
    calls = [
        {"id": c.id, "type": "function", "function": {"name": "weather", "arguments": c.function.arguments}}
        for c in said.tool_calls
    ]
    turn = {"role": "assistant", "content": said.content, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]
    done = ask(client, messages=[*HELLO, turn, *results], tools=[tool("weather")]).parse()
    assert done.choices[0].message.content == "hello from top-model"


class Person(BaseModel):
    name: str
    age: int


def test_structured_output(client, stub):
    done = client.chat.completions.parse(model="top", messages=HELLO, response_format=Person)
    assert done.choices[0].message.parsed == Person(name="Ada", age=36)
    assert set(stub.asked[0].body["output_config"]["format"]["schema"]["properties"]) == {"name", "age"}


def test_what_cannot_be_said_escalates_and_is_an_error_at_the_end(client, stub):
    response = ask(client, "auto:intent", response_format={"type": "json_object"})
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert stub.models == ["mid-model"], "the first tier was not even asked"
    with pytest.raises(openai.BadRequestError, match="response_format") as caught:
        ask(client, response_format={"type": "json_object"})
    assert caught.value.code == "upstream_unsayable"


def test_what_the_settings_drop_is_not_missed(client, stub):
    assert ask(client, seed=7).parse().choices[0].message.content == "hello from top-model"
    assert "seed" not in stub.asked[0].body


def test_answers_have_no_score_and_so_a_threshold_escalates(client, stub):
    response = ask(client, "auto:intent")
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert stub.asked[0].request.path == "/v1/messages"


def test_a_refusal_is_said(client, stub):
    async def refuses(asked):
        why = {"type": "refusal", "explanation": "not that"}
        return web.json_response(message(asked, content=[], stop_reason="refusal", stop_details=why))

    stub.behaviours["top-model"] = refuses
    choice = ask(client).parse().choices[0]
    assert (choice.finish_reason, choice.message.refusal) == ("content_filter", "not that")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (refusing(400, "invalid_request_error"), 400, "invalid_request_error"),
        (refusing(413, "request_too_large"), 413, "request_too_large"),
        (refusing(401, "authentication_error"), 502, "upstream_status"),
        (refusing(402, "billing_error"), 502, "upstream_status"),
        (refusing(404, "not_found_error"), 502, "upstream_status"),
        (refusing(429, "rate_limit_error", retry_after="77"), 429, "upstream_rate_limit"),
        (refusing(529, "overloaded_error", retry_after="77"), 503, "upstream_overloaded"),
        (refusing(500, "api_error"), 502, "upstream_status"),
        (raw(b"<html>", content_type="text/html"), 502, "upstream_garbage"),
        (raw(b'{"type": "message"}', content_type="text/event-stream"), 502, None),
    ],
)
def test_errors_are_in_openais_shape(client, stub, behaviour, status, code, stream):
    stub.behaviours["top-model"] = behaviour
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=stream)
    assert caught.value.status_code == status
    assert code in (None, caught.value.code)
    assert "secret" not in str(caught.value)
    if status in (429, 503):
        assert caught.value.response.headers["retry-after"] == "77"


def test_an_overloaded_moment_passes(client, stub):
    async def plain(asked):
        return web.json_response(message(asked))

    stub.behaviours["top-model"] = in_turn(refusing(529, "overloaded_error"), plain)
    assert ask(client).parse().choices[0].message.content == "hello from top-model"
    assert stub.models == ["top-model", "top-model"]


def begun(asked, count: int):
    return itertools.islice(events(asked), count)


def failing_after(count: int, kind: str = "overloaded_error"):
    async def behave(asked):
        fault = {"type": "error", "error": {"type": kind, "message": "too much"}}
        return await streamed(asked, itertools.chain(begun(asked, count), [fault]), pause_s=0.01)

    return behave


def cut_after(count: int, end: bytes):
    async def behave(asked):
        return await streamed(asked, begun(asked, count), pause_s=0.01, end=end)

    return behave


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (failing_after(0), 503),
        (failing_after(2), 503),
        (failing_after(0, "rate_limit_error"), 429),
        (failing_after(2, "who_knows"), 502),
        (cut_after(2, b""), 502),
        (cut_after(0, b"data: nonsense\n\n"), 502),
        (cut_after(1, b'event: ping\ndata: {"type"'), 502),
    ],
)
def test_a_stream_that_fails_before_it_says_anything_is_an_ordinary_error(client, stub, behaviour, status):
    stub.behaviours["top-model"] = behaviour
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=True)
    assert caught.value.status_code == status


@pytest.mark.parametrize(
    "behaviour", [failing_after(4), cut_after(5, b""), cut_after(4, b"data: {"), cut_after(4, b"data: 7\n\n")]
)
def test_a_stream_that_breaks_off_ends_in_an_error_event(client, stub, behaviour):
    stub.behaviours["top-model"] = behaviour
    stream = client.chat.completions.create(model="top", messages=HELLO, stream=True)
    seen = [next(stream)]
    with pytest.raises(openai.APIError, match="broke off"):
        seen += list(stream)
    assert seen


def test_silence_ends_in_a_time_out(client, stub):
    stub.behaviours["top-model"] = silent
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=True)
    assert caught.value.status_code == 504


def test_a_client_that_leaves_a_stream_ends_it_upstream(client, stub):
    async def slow(asked):
        return await streamed(asked, events(asked), pause_s=0.3)

    stub.behaviours["top-model"] = slow
    stream = client.chat.completions.create(model="top", messages=HELLO, stream=True)
    next(stream)
    stream.close()
    assert running.until(lambda: stub.asked[0].cancelled)


def test_a_wrong_key_is_noticed_by_the_stub(stub):
    asked = Asked(None, {"model": "m", "messages": [], "max_tokens": 1}, {"x-api-key": "other"})
    assert messages_stub.complaint(asked) == "key"
    assert error(401, "authentication_error").status == 401
