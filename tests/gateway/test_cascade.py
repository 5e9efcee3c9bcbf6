"""What a client sees of the cascade: held cheap answers, escalation, walls, failing tiers."""

from __future__ import annotations

import openai
import pytest
from aiohttp import web
from tests.gateway.stub import completion, in_turn, raw, silent, status, streamed

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def ask(client, task="intent", messages=HELLO, **more):
    return client.chat.completions.with_raw_response.create(model=f"auto:{task}", messages=messages, **more)


def test_a_sure_cheap_answer_is_accepted(client, stub):
    response = ask(client)
    assert response.headers["x-routenlp-tier"] == "small"
    assert response.headers["x-routenlp-status"] == "certified"
    assert stub.models == ["small-model"]
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14e-6)


def test_an_unsure_answer_escalates_step_by_step(client, stub):
    stub.sure |= {"small-model": 0.5, "mid-model": 0.6}
    response = ask(client)
    assert stub.models == ["small-model", "mid-model", "top-model"]
    assert response.headers["x-routenlp-steps"] == "small,mid,top"
    assert response.parse().choices[0].message.content == "hello from top-model"
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14 * 111e-6)


def test_logprobs_are_asked_for_and_taken_out_again(client, stub):
    assert ask(client).parse().choices[0].logprobs is None
    assert stub.asked[0].body["logprobs"] is True
    assert ask(client, logprobs=True).parse().choices[0].logprobs.content[0].token == "hello"


def test_a_held_answer_is_streamed_to_who_asks_for_a_stream(client, stub):
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="auto:intent", messages=HELLO, stream=True, stream_options=options)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello from small-model"
    assert chunks[-1].usage.total_tokens == 14
    assert not stub.asked[0].body["stream"]


def test_a_stream_that_escalates_is_the_top_tiers_own(client, stub):
    stub.sure |= {"small-model": 0.5, "mid-model": 0.5}
    chunks = list(client.chat.completions.create(model="auto:intent", messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there"
    assert stub.models == ["small-model", "mid-model", "top-model"]


@pytest.mark.parametrize(
    "failure",
    [
        status(500),
        status(400),
        status(401),
        raw(b"<html>hello</html>", content_type="text/html"),
        raw(b'{"choices": []}'),
        raw(b'{"choices": [{"message": {"role": "assistant", "content": ""}}]}'),
        raw(b"", code=302),
        raw(b"\xff\xfe"),
    ],
)
def test_a_failing_tier_means_the_next_one(client, stub, failure):
    stub.behaviours["small-model"] = failure
    response = ask(client)
    assert response.headers["x-routenlp-tier"] == "mid"
    assert response.headers["x-routenlp-steps"] == "small,mid"


def test_an_answer_whose_log_probabilities_are_null_is_not_accepted(client, stub):
    async def without(asked):
        asked.body.pop("logprobs", None)
        return web.json_response(completion(asked))

    stub.behaviours["small-model"] = without
    assert ask(client).headers["x-routenlp-steps"] == "small,mid"


def test_only_the_last_tiers_failure_reaches_the_client(client, stub):
    for tier in ("small", "mid", "top"):
        stub.behaviours[f"{tier}-model"] = status(500)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.status_code == 502
    assert caught.value.body["code"] == "upstream_status"


def test_a_wall_holds_whatever_happens(client, stub):
    stub.sure |= {"small-model": 0.1, "mid-model": 0.1}
    assert ask(client, "private").headers["x-routenlp-tier"] == "mid"
    stub.behaviours |= {"small-model": status(500), "mid-model": status(500)}
    with pytest.raises(openai.InternalServerError):
        ask(client, "private")
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="top", messages=HELLO, extra_headers={"x-routenlp-task": "private"})
    assert "top-model" not in stub.models


def test_routing_can_be_turned_off(client, stub):
    response = ask(client, extra_headers={"x-routenlp-router": "off"})
    assert response.headers["x-routenlp-tier"] == "top"
    assert stub.models == ["top-model"]


@pytest.mark.parametrize(
    "tag", [{"extra_headers": {"x-routenlp-task": "intent"}}, {"metadata": {"task": "intent", "user": "u"}}]
)
def test_a_task_can_be_tagged(client, stub, tag):
    response = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, **tag)
    assert response.headers["x-routenlp-task"] == "intent"
    assert response.headers["x-routenlp-tier"] == "small"
    assert stub.asked[0].body.get("metadata", {"user": "u"}) == {"user": "u"}


def test_time_bounds_the_cheap_steps_and_never_the_last(client, stub):
    stub.behaviours["small-model"] = silent
    response = ask(client, "quick")
    assert response.headers["x-routenlp-steps"] == "small,top"


def test_a_tool_result_goes_back_to_the_tier_that_called(client, stub):
    stub.sure["small-model"] = 0.5
    call = ask(client, tools=TOOLS).parse().choices[0].message.tool_calls[0]
    assert stub.models == ["small-model", "mid-model"]
    stub.reset()
    turn = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    assert ask(client, messages=[*HELLO, turn, result]).headers["x-routenlp-tier"] == "mid"
    assert stub.models == ["mid-model"]


def test_an_endpoint_that_knows_no_logprobs_is_asked_without(client, stub):
    async def refuses(asked):
        from aiohttp import web

        if asked.body.get("logprobs"):
            return web.json_response({"error": {"message": "logprobs is not supported"}}, status=400)
        return web.json_response(completion(asked))

    stub.behaviours["mid-model"] = refuses
    stub.sure["small-model"] = 0.5
    response = ask(client)
    assert response.headers["x-routenlp-steps"] == "small,mid,top", "without a score nothing is accepted"
    assert [("logprobs" in asked.body) for asked in stub.asked if asked.model == "mid-model"] == [True, False]


def test_a_passing_failure_is_tried_again(client, stub):
    stub.behaviours["small-model"] = in_turn(status(503), None)
    assert ask(client).headers["x-routenlp-tier"] in ("small", "mid")
    assert stub.models[:2] == ["small-model", "small-model"]


def test_wrong_usage_is_counted_by_us(client, stub):
    async def wrong(asked):
        from aiohttp import web

        return web.json_response(completion(asked, usage={"prompt_tokens": -5, "completion_tokens": "many"}))

    stub.behaviours["top-model"] = wrong
    response = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(6 * 100e-6)


def test_an_error_inside_a_stream_before_its_first_byte_is_an_ordinary_error(client, stub):
    async def fails(asked):
        return await streamed(asked, [{"error": {"message": "overloaded"}}], end=b"")

    stub.behaviours["top-model"] = fails
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="auto", messages=HELLO, stream=True)
