"""What the last tier's endpoint may do instead of answering: each is an ordinary error, or an error event, and soon."""

from __future__ import annotations

import asyncio
import json
import time

import openai
import pytest
from aiohttp import web
from tests.gateway.stub import Asked, chunks, completion, raw, status, streamed

HELLO = [{"role": "user", "content": "hello"}]
SSE = {"content-type": "text/event-stream"}


def ask(client, **more):
    return client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, **more)


async def hung_up(asked: Asked) -> web.StreamResponse:
    asked.request.transport.close()
    return web.Response()


async def elsewhere(asked: Asked) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect(str(asked.request.url))


async def half_of_what_it_promised(asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-length": "1000", "content-type": "application/json"})
    await response.prepare(asked.request)
    await response.write(b'{"choices": [')
    asked.request.transport.close()
    return response


WHOLE = {
    "html": (raw(b"<html>", content_type="text/html"), "upstream_garbage"),
    "nothing": (raw(b""), "upstream_garbage"),
    "no text": (raw(b"\xff\xfe\x00"), "upstream_garbage"),
    "a list": (raw(b"[]"), "upstream_garbage"),
    "another object": (raw(b'{"object": "list", "data": []}'), "upstream_garbage"),
    "no choice": (raw(b'{"choices": []}'), "upstream_garbage"),
    "a choice of null": (raw(b'{"choices": [null]}'), "upstream_garbage"),
    "a message of null": (raw(b'{"choices": [{"message": null}]}'), "upstream_garbage"),
    "nesting without end": (raw(b'{"choices": ' + b"[" * 100_000), "upstream_garbage"),
    "a redirect": (elsewhere, "upstream_garbage"),
    "no content": (raw(b"", code=204), "upstream_garbage"),
    "half": (half_of_what_it_promised, "upstream_cut"),
    "no connection": (hung_up, "upstream_connect"),
    "an error of html": (raw(b"<html>", content_type="text/html", code=503), "upstream_status"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_no_answer_is_an_error_in_openais_shape(client, stub, what):
    stub.behaviours["top-model"], code = WHOLE[what]
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (502, code)


def test_a_redirect_is_not_followed(client, stub):
    stub.behaviours["top-model"] = elsewhere
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert len(stub.asked) == 1, "our key goes nowhere but where the settings say"


def test_a_refusal_of_html_is_a_refusal_all_the_same(client, stub):
    stub.behaviours["top-model"] = raw(b"<html>no</html>", content_type="text/html", code=400)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client)
    assert caught.value.code == "upstream_refused"


@pytest.mark.parametrize("choice", [{}, {"message": {}}, {"message": {"content": None}}, {"message": {"content": ""}}])
def test_an_empty_choice_of_the_last_tier_is_its_answer(client, stub, choice):
    async def empty(asked):
        return web.json_response(completion(asked, choices=[{"index": 0, "finish_reason": "stop"} | choice]))

    stub.behaviours["top-model"] = empty
    assert ask(client).http_response.json()["choices"][0]["finish_reason"] == "stop"


def test_an_empty_choice_beside_another_is_streamed_to_who_asks(client, stub):
    async def one_of_two(asked):
        whole = completion(asked, sure=0.99)
        return web.json_response(whole | {"choices": [*whole["choices"], {"index": 1}]})

    stub.behaviours["small-model"] = one_of_two
    stream = client.chat.completions.create(model="auto:intent", messages=HELLO, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in stream) == "hello from small-model"


STREAMS = {
    "a redirect": elsewhere,
    "json": raw(b'{"choices": []}'),
    "no connection": hung_up,
    "an error": status(500),
    "events of another kind": raw(b"event: hello\ndata: 7\n\n", content_type="text/event-stream"),
    "a list": raw(b"data: []\n\n", content_type="text/event-stream"),
    "an event without end": raw(b"data: " + b"x" * (9 << 20), content_type="text/event-stream"),
}


@pytest.mark.parametrize("what", STREAMS)
def test_no_stream_is_an_ordinary_error(client, stub, what):
    stub.behaviours["top-model"] = STREAMS[what]
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=True)
    assert caught.value.status_code == 502


@pytest.mark.parametrize("odd", [{"choices": None}, {"choices": [{}]}, {"choices": [{"index": 0, "delta": None}]}])
def test_an_empty_choice_in_a_stream_is_passed_on(client, stub, odd):
    async def with_an_odd_one(asked):
        first, *rest = chunks(asked)
        return await streamed(asked, [first, {**first, **odd}, *rest])

    stub.behaviours["top-model"] = with_an_odd_one
    seen = ask(client, stream=True).http_response.read().decode()
    assert seen.endswith("data: [DONE]\n\n")
    assert json.dumps(odd["choices"]) in seen


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": "7", "completion_tokens": 5},
        {"prompt_tokens": 10**15, "completion_tokens": 10**15},
        {"total_tokens": 12},
        "12",
        None,
    ],
)
def test_wrong_usage_of_a_stream_is_counted_by_us(gateway, client, stub, usage):
    async def wrong(asked):
        events = [event | ({"usage": usage} if event.get("usage") else {}) for event in chunks(asked)]
        return await streamed(asked, events)

    stub.behaviours["top-model"] = wrong
    name = 'routenlp_cost_usd_total{tier="top"'
    before = gateway.metric(name)
    ask(client, stream=True).http_response.read()
    assert gateway.metric(name) - before == pytest.approx((1 + 2) * 100e-6), "one word asked, two answered"


async def headers_and_nothing_else(asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers=SSE)
    await response.prepare(asked.request)
    await asyncio.sleep(60)
    return response


async def a_space_a_time(asked: Asked) -> web.StreamResponse:
    """Never quiet for long, and never done."""
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(asked.request)
    for _ in range(600):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


async def quiet_after_two(asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers=SSE)
    await response.prepare(asked.request)
    for chunk in chunks(asked)[:2]:
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    await asyncio.sleep(60)
    return response


@pytest.mark.slow
@pytest.mark.parametrize(("behaviour", "stream"), [(headers_and_nothing_else, True), (a_space_a_time, False)])
def test_who_never_comes_to_an_end_is_left(client, stub, behaviour, stream):
    stub.behaviours["top-model"] = behaviour
    begun_s = time.monotonic()
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
    assert time.monotonic() - begun_s < 5


@pytest.mark.slow
def test_a_stream_that_stands_still_ends_in_an_error_event(client, stub):
    stub.behaviours["top-model"] = quiet_after_two
    stream = client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    seen = []
    with pytest.raises(openai.APIError, match="sent nothing for 2 s"):
        seen.extend(stream)
    assert len(seen) == 2


@pytest.mark.slow
def test_an_answer_without_end_is_left(client, stub):
    async def endless(asked):
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(asked.request)
        for _ in range(80):
            await response.write(b" " * (1 << 20))
        return response

    stub.behaviours["top-model"] = endless
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert caught.value.code in ("upstream_garbage", "upstream_timeout")
