"""Streams under the cascade in mode `commit`, over real sockets: released for good, or cancelled upstream."""

from __future__ import annotations

import asyncio
import json
import math
import time

import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.stub import chunks, raw, status, streamed

from routenlp.cascade.commit import CommitPoint, CommitRule

HELLO = [{"role": "user", "content": "hello"}]
RULE = CommitRule(CommitPoint(3), 0.25, abort=0.8, abort_from=1)
SAID = ("one ", "two ", "three ", "four ", "five")


@pytest.fixture(scope="module")
def committing(stub_server, tmp_path_factory):
    policy = running.write_policy(tmp_path_factory.mktemp("policy"), commit=RULE)
    text = running.settings(stub_server.url, policy, tier=", first_token_s: 2, total_s: 3, retries: 0")
    text = text.replace("intent: {metric: accuracy}", "intent: {metric: accuracy, streaming: commit}")
    text += "\nstore: {url: 'sqlite:///routenlp.db'}\ncontent: {store: all}\n"
    gateway = running.start(tmp_path_factory.mktemp("gateway"), text)
    yield gateway
    gateway.stop()


@pytest.fixture
def client(committing, stub):
    with openai.OpenAI(base_url=committing.base_url, api_key="none", max_retries=0, timeout=10) as one:
        yield one


def scored(asked, sure, pieces=SAID, **changes):
    """Chunks as llama.cpp sends them: one token each, with its log-probability where they were asked for."""
    out = chunks(asked, pieces)
    for event, p in zip(out[1:], [*sure, *[None] * len(out)], strict=False):
        if p is not None and event["choices"] and asked.body.get("logprobs"):
            said = event["choices"][0]["delta"].get("content")
            token = {"token": said, "logprob": math.log(p), "bytes": list(said.encode()), "top_logprobs": []}
            event["choices"][0]["logprobs"] = {"content": [token]} | changes
    return out


def saying(*sure, pieces=SAID, pause_s=0.0, end=b"data: [DONE]\n\n"):
    async def behave(asked):
        return await streamed(asked, scored(asked, sure, pieces), pause_s=pause_s, end=end)

    return behave


def stream(client, task="intent", **more):
    return client.chat.completions.with_raw_response.create(model=f"auto:{task}", messages=HELLO, stream=True, **more)


def text_of(events):
    return "".join(c.choices[0].delta.content or "" for c in events if c.choices)


def test_a_sure_prefix_releases_the_tiers_own_stream_before_it_ends(client, stub):
    async def dawdles(asked):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(asked.request)
        for at, event in enumerate(scored(asked, (0.9,) * 5)):
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            if at == 3:
                await asyncio.sleep(0.5)
        await response.write(b"data: [DONE]\n\n")
        return response

    stub.behaviours["small-model"] = dawdles
    begun = time.monotonic()
    response = stream(client)
    assert time.monotonic() - begun < 0.4, "the client need not wait for the end"
    assert response.headers["x-routenlp-tier"] == "small"
    assert "x-routenlp-cost-usd" not in response.headers
    events = list(response.parse())
    assert text_of(events) == "one two three four five"
    assert all(c.choices[0].logprobs is None for c in events if c.choices), "we asked for them, not the client"
    assert stub.models == ["small-model"]
    assert stub.asked[0].body["logprobs"] is True


def test_a_released_answer_stands_whatever_follows(client, stub):
    stub.behaviours["small-model"] = saying(0.9, 0.9, 0.9, 0.01, 0.01)
    response = stream(client)
    assert text_of(response.parse()) == "one two three four five"
    assert stub.models == ["small-model"]


def test_an_unsure_prefix_cancels_the_call_and_escalates_at_once(client, stub):
    stub.behaviours["small-model"] = saying(0.5, 0.5, 0.5, pieces=("x ",) * 50, pause_s=0.1)
    begun = time.monotonic()
    response = stream(client)
    assert time.monotonic() - begun < 2.0, "fifty tokens would take five seconds"
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert text_of(response.parse()) == "hello from mid-model"
    assert running.until(lambda: stub.asked[0].cancelled, within_s=1.0), "the slot is free again"


def test_a_running_score_over_its_threshold_aborts_before_the_commit_point(client, stub, committing):
    stub.behaviours["small-model"] = saying(0.1, 0.1, pieces=("x ",) * 50, pause_s=0.1)
    trace = stream(client).headers["x-routenlp-trace-id"]
    assert running.until(lambda: stub.asked[0].cancelled, within_s=1.0)
    step = steps(committing, trace)[0]
    assert step["commit"] == {"score": pytest.approx(0.9), "threshold": 0.8, "tokens": 1, "released": False}


def test_an_answer_that_ends_before_the_point_is_judged_whole(client, stub):
    stub.behaviours["small-model"] = saying(0.9, 0.9, pieces=("one ", "two"))
    response = stream(client)
    assert response.headers["x-routenlp-tier"] == "small"
    assert response.headers["x-routenlp-steps"] == "small"
    assert float(response.headers["x-routenlp-cost-usd"]) > 0.0
    assert text_of(response.parse()) == "one two"
    stub.behaviours["small-model"] = saying(0.9, 0.3, pieces=("one ", "two"))
    assert stream(client).headers["x-routenlp-steps"] == "small,mid"


def test_without_probabilities_it_is_buffered_and_not_accepted(client, stub):
    stub.behaviours["small-model"] = saying()
    assert stream(client).headers["x-routenlp-steps"] == "small,mid"
    assert not stub.asked[0].cancelled


def test_an_endpoint_that_refuses_logprobs_is_asked_whole_from_then_on(stub_server, stub, tmp_path):
    async def refuses(asked):
        if asked.body.get("logprobs"):
            return web.json_response({"error": {"message": "logprobs is not supported"}}, status=400)
        return await stub.plain(asked)

    stub.behaviours["small-model"] = refuses
    policy = running.write_policy(tmp_path / "policy", commit=RULE)
    text = running.settings(stub_server.url, policy).replace("auth: none", "auth: none, streaming: commit")
    gateway = running.start(tmp_path, text)
    try:
        with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0) as client:
            for _ in range(2):
                assert stream(client).headers["x-routenlp-steps"] == "small,mid"
    finally:
        gateway.stop()
    small = [asked.body for asked in stub.asked if asked.model == "small-model"]
    assert [(body["stream"], "logprobs" in body) for body in small] == [(True, True), (True, False), (False, False)]


@pytest.mark.parametrize(
    "failure",
    [
        status(500),
        raw(b"<html>hello</html>", content_type="text/html"),
        saying(0.9, pieces=()),
        saying(0.9, pieces=("one ",), end=b""),
        raw(b'data: {"error": {"message": "overloaded"}}\n\n', content_type="text/event-stream"),
    ],
)
def test_a_tier_that_fails_before_the_release_means_the_next_one(client, stub, failure):
    stub.behaviours["small-model"] = failure
    response = stream(client)
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert text_of(response.parse()) == "hello from mid-model"


def test_a_failure_after_the_release_is_one_last_event(client, stub):
    stub.behaviours["small-model"] = saying(0.9, 0.9, 0.9, 0.9, end=b"")
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream(client).parse())
    assert stub.models == ["small-model"], "there is no way back"


@pytest.mark.parametrize(
    "more", [{"n": 2}, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}]
)
def test_what_is_not_one_text_is_buffered(client, stub, more):
    assert stream(client, **more).headers["x-routenlp-tier"] == "small"
    assert not stub.asked[0].body["stream"]


def test_a_whole_answer_and_a_task_that_does_not_say_so_are_buffered(client, stub):
    client.chat.completions.create(model="auto:intent", messages=HELLO)
    stream(client, "private")
    assert [asked.body.get("stream", False) for asked in stub.asked] == [False, False]


def test_logprobs_and_usage_stay_for_a_client_that_asked(client, stub):
    stub.behaviours["small-model"] = saying(*(0.9,) * 5)
    events = list(stream(client, logprobs=True, stream_options={"include_usage": True}).parse())
    tokens = [t for c in events if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [token.token for token in tokens] == list(SAID)
    assert events[-1].usage.completion_tokens == 5


def test_a_client_that_leaves_while_it_is_held_closes_the_call(committing, stub):
    stub.behaviours["small-model"] = saying(0.9, pieces=("x ",) * 50, pause_s=0.3)
    hurried = openai.OpenAI(base_url=committing.base_url, api_key="none", max_retries=0, timeout=0.5)
    with hurried, pytest.raises(openai.APITimeoutError):
        stream(hurried)
    assert running.until(lambda: stub.asked and stub.asked[0].cancelled, within_s=2.0)

    def left():
        return running.rows(committing.log.parent, "SELECT detail FROM traces WHERE outcome = 'client_left'")

    assert running.until(left)
    (step,) = json.loads(left()[-1][0])["steps"]
    assert (step["error"], step["accepted"], step["cost_usd"] > 0.0) == ("client_left", False, True)


def test_half_a_character_at_the_commit_point_breaks_nothing(client, stub):
    halves = [[*"é".encode()][:1], [*"é".encode()][1:]]

    async def behave(asked):
        out = scored(asked, (0.9,) * 5)
        for event, half in zip(out[2:4], halves, strict=True):
            event["choices"][0]["logprobs"]["content"][0] |= {"token": "", "bytes": half}
        out[2]["choices"][0]["delta"]["content"] = ""
        out[3]["choices"][0]["delta"]["content"] = "é "
        return await streamed(asked, out)

    stub.behaviours["small-model"] = behave
    assert text_of(stream(client).parse()) == "one é four five"


def test_an_endless_repetition_is_released_or_cancelled_at_the_point(client, stub):
    stub.behaviours["small-model"] = saying(*(0.4,) * 400, pieces=("again ",) * 400, pause_s=0.01)
    assert stream(client).headers["x-routenlp-steps"] == "small,mid"
    assert running.until(lambda: stub.asked[0].cancelled, within_s=1.0)


def steps(gateway, trace):
    return detail(gateway, trace)["steps"]


def detail(gateway, trace):
    folder = gateway.log.parent

    def found():
        return running.rows(folder, "SELECT detail FROM traces WHERE id = ?", trace)

    assert running.until(found)
    return json.loads(found()[0][0])


def test_the_record_has_prefix_and_time_to_first_token(client, stub, committing):
    stub.behaviours["small-model"] = saying(0.9, 0.8, 0.7, 0.6, 0.5)
    response = stream(client)
    list(response.parse())
    found = detail(committing, response.headers["x-routenlp-trace-id"])
    (step,) = found["steps"]
    assert step["commit"] == {"score": pytest.approx(0.2), "threshold": 0.25, "tokens": 3, "released": True}
    assert step["score"] == pytest.approx(0.3), "of the whole answer, for the record"
    assert step["accepted"]
    assert step["output_tokens"] == 5
    assert found["streaming"] == "commit"
    assert 0.0 < found["first_token_s"] < 5.0


def test_what_a_cancelled_call_wrote_is_charged_and_its_text_is_not_kept(client, stub, committing):
    stub.behaviours["small-model"] = saying(0.5, 0.5, 0.5, pieces=("x ",) * 50, pause_s=0.1)
    response = stream(client)
    list(response.parse())
    trace = response.headers["x-routenlp-trace-id"]
    small, mid = steps(committing, trace)
    assert small["output_tokens"] == 3
    assert small["cost_usd"] == pytest.approx((small["input_tokens"] + 3) * 1e-6)
    assert small["error"] is None
    assert not small["accepted"]
    assert mid["accepted"]
    (body,) = running.rows(committing.log.parent, "SELECT body FROM content WHERE trace_id = ?", trace)
    assert set(json.loads(body[0])["answers"]) == {"mid"}


def test_time_to_first_token_is_measured_by_mode(client, stub, committing):
    stub.behaviours["small-model"] = saying(*(0.9,) * 5)
    list(stream(client).parse())
    list(stream(client, "private").parse())
    text = committing.metrics()
    assert 'routenlp_ttft_seconds_count{mode="commit",task="intent"}' in text
    assert 'routenlp_ttft_seconds_count{mode="buffered",task="private"}' in text
    assert 'routenlp_escalations_total{from_tier="small",reason="commit",to_tier="mid"}' in text


def test_explain_says_what_was_decided_at_the_point_and_when_the_first_token_came(client, stub, committing):
    stub.behaviours["small-model"] = saying(0.5, 0.5, 0.5, pieces=("x ",) * 5)
    trace = stream(client).headers["x-routenlp-trace-id"]
    detail(committing, trace)
    said = running.command(committing.log.parent, "explain", trace).stdout
    assert "small was cancelled after 3 tokens: their uncertainty 0.500 is over 0.250." in said
    assert "Streamed (commit)" in said
