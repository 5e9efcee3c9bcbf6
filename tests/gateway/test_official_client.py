"""The official client works unchanged."""

from __future__ import annotations

import asyncio

import openai
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "hello"}]


def tool(name: str) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def ask(client, model="auto", messages=HELLO, **more):
    return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def test_without_a_certificate_the_top_tier_answers(client, stub):
    response = ask(client)
    assert response.parse().choices[0].message.content == "hello from top-model"
    assert response.headers["x-routenlp-tier"] == "top"
    assert response.headers["x-routenlp-status"] == "uncertified"
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14 * 100e-6)
    assert stub.models == ["top-model"]


def test_a_stream_of_the_top_tier_passes_through(client, stub):
    chunks = list(client.chat.completions.create(model="auto", messages=HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there"
    assert all(chunk.choices for chunk in chunks), "usage was not asked for, so its chunk is left out"
    assert stub.asked[0].body["stream_options"] == {"include_usage": True}


def test_usage_of_a_stream_is_shown_to_who_asks(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="auto", messages=HELLO, stream=True, stream_options=options))
    assert chunks[-1].usage.total_tokens == 12


def test_the_async_client(gateway):
    async def both() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key="none") as client:
            whole = await client.chat.completions.create(model="auto", messages=HELLO)
            stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
            parts = [c.choices[0].delta.content or "" async for c in stream]
            return [whole.choices[0].message.content, "".join(parts)]

    assert asyncio.run(both()) == ["hello from top-model", "hello there"]


@pytest.mark.parametrize("names", [["weather"], ["weather", "time"]])
@pytest.mark.parametrize("model", ["auto", "auto:intent"])
def test_tool_calls_come_back_whole(client, names, model):
    message = ask(client, model, tools=[tool(n) for n in names]).parse().choices[0].message
    assert [call.function.name for call in message.tool_calls] == names


@pytest.mark.parametrize("model", ["auto", "auto:intent"])
def test_tool_calls_come_back_in_streams(client, model):
    tools = [tool("weather"), tool("time")]
    with client.chat.completions.stream(model=model, messages=HELLO, tools=tools) as stream:
        final = stream.get_final_completion()
    assert [call.function.name for call in final.choices[0].message.tool_calls] == ["weather", "time"]


class Person(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", ["auto", "auto:intent"])
def test_structured_output(client, model):
    done = client.chat.completions.parse(model=model, messages=HELLO, response_format=Person)
    assert done.choices[0].message.parsed == Person(name="Ada", age=36)


def test_unknown_fields_pass_through_both_ways(client, stub):
    done = ask(client, extra_body={"x_new": {"a": [1, 2.5e-7, "é"]}}, seed=7, n=2).parse()
    assert stub.asked[0].body["x_new"] == {"a": [1, 2.5e-7, "é"]}
    assert stub.asked[0].body["seed"] == 7
    assert done.model_extra["x_unknown"] == {"kept": True}
    assert len(done.choices) == 2


def test_the_models_are_listed(client):
    names = [model.id for model in client.models.list()]
    assert names[0] == "auto"
    assert {"auto:intent", "small", "mid", "top"} <= set(names)
    assert client.models.retrieve("auto:intent").id == "auto:intent"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_a_tier_can_be_named(client, stub):
    assert ask(client, "mid").headers["x-routenlp-tier"] == "mid"
    assert stub.models == ["mid-model"]


def test_an_unknown_model_or_task_is_not_found(client, stub):
    for model in ("gpt-17", "auto:no-such-task"):
        with pytest.raises(openai.NotFoundError):
            ask(client, model)
    with pytest.raises(openai.NotFoundError, match="no-such-task"):
        ask(client, extra_headers={"x-routenlp-task": "no-such-task"})
    assert stub.asked == []


def test_the_upstream_gets_its_own_key_and_not_the_clients(client, stub):
    ask(client)
    assert stub.asked[0].headers["Authorization"] == "Bearer upstream-secret-of-tests"
    assert "none" not in stub.asked[0].headers["Authorization"]
