"""A query longer than the cheapest tier's context, through the gateway: left to the next tier, or read in parts."""

from __future__ import annotations

import openai
import pytest
from tests.gateway import running
from tests.gateway.stub import silent, status

from routenlp.portfolio.prices import count_tokens

LONG = [{"role": "user", "content": "Revenue rose by twelve per cent in the third quarter. " * 60}]
SHORT = [{"role": "user", "content": "hello"}]


def started(stub_server, policy_folder, folder, small: str):
    more = "store: {url: 'sqlite:///routenlp.db'}\naudit: {rate: 0.0, bootstrap_rate: 0.0}"
    text = running.settings(stub_server.url, policy_folder, more=more)
    return running.start(folder, text.replace("model: small-model,", f"model: small-model, {small},"))


@pytest.fixture(scope="module")
def escalating(stub_server, policy_folder, tmp_path_factory):
    gateway = started(stub_server, policy_folder, tmp_path_factory.mktemp("escalate"), "context_tokens: 512")
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def in_parts(stub_server, policy_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    gateway = started(stub_server, policy_folder, folder, "context_tokens: 512, long_input: map_reduce")
    yield gateway, folder
    gateway.stop()


def ask(gateway, messages=LONG, model="auto:intent", **more):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=20) as client:
        return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def test_a_tier_that_it_does_not_fit_is_never_asked(escalating, stub):
    response = ask(escalating)
    assert response.headers["x-routenlp-steps"] == "mid"
    assert stub.models == ["mid-model"]
    assert ask(escalating, SHORT).headers["x-routenlp-steps"] == "small"
    assert escalating.metric('routenlp_breaker_state{tier="small"}') == 0


def test_named_by_the_client_it_is_asked_all_the_same(escalating, stub):
    assert ask(escalating, model="small").headers["x-routenlp-tier"] == "small"
    assert stub.models == ["small-model"]


def test_too_long_for_the_last_tier_is_an_error_that_says_so(in_parts, stub):
    endless = [{"role": "user", "content": "Revenue rose by twelve per cent in the third quarter. " * 4_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        ask(in_parts[0], endless, model="small")
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert stub.asked == []


def test_an_endpoints_own_words_reach_the_client(escalating, stub):
    error = {"message": "stub holds 3 tokens", "type": "invalid_request_error", "code": "context_length_exceeded"}
    stub.behaviours["top-model"] = status(400, body={"error": error})
    with pytest.raises(openai.BadRequestError, match="stub holds 3 tokens") as caught:
        ask(escalating, SHORT, model="top")
    assert caught.value.code == "context_length_exceeded"


def test_read_in_parts_every_call_is_charged_and_recorded(in_parts, stub):
    gateway, folder = in_parts
    response = ask(gateway)
    calls = len(stub.asked)
    assert calls > 3
    assert set(stub.models) == {"small-model"}
    assert response.headers["x-routenlp-steps"] == "small"
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14e-6 * calls)
    assert response.parse().usage.total_tokens == 14 * calls
    name = response.headers["x-routenlp-trace-id"]
    nanos = "SELECT cost_nanos FROM traces WHERE id = ?"
    assert running.until(lambda: running.rows(folder, nanos, name))
    assert running.rows(folder, nanos, name) == [(14_000 * calls,)]


def test_a_client_that_leaves_has_paid_for_every_call_that_was_made(in_parts, stub):
    gateway, folder = in_parts

    async def last_is_silent(asked):
        first = asked.body["messages"][-1]["content"].startswith("This is part")
        return await (stub.plain(asked) if first else silent(asked))

    stub.behaviours["small-model"] = last_is_silent
    with pytest.raises(openai.APITimeoutError):
        ask(gateway, timeout=1)
    parts = len(stub.asked) - 1
    assert parts > 2
    nanos = "SELECT cost_nanos FROM traces WHERE outcome = 'client_left'"
    assert running.until(lambda: running.rows(folder, nanos))
    sent = count_tokens(stub.asked[-1].body["messages"][-1]["content"])
    assert running.rows(folder, nanos) == [(14_000 * parts + 1_000 * sent,)]


def test_a_client_that_wants_a_stream_gets_one(in_parts, stub):
    with openai.OpenAI(base_url=in_parts[0].base_url, api_key="none", max_retries=0, timeout=20) as client:
        options = {"include_usage": True}
        chunks = list(
            client.chat.completions.create(model="auto:intent", messages=LONG, stream=True, stream_options=options)
        )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello from small-model"
    assert chunks[-1].usage.total_tokens == 14 * len(stub.asked)


def test_an_answer_that_is_not_sure_escalates_and_costs_all_its_calls(in_parts, stub):
    stub.sure["small-model"] = 0.5
    response = ask(in_parts[0])
    assert response.headers["x-routenlp-steps"] == "small,mid"
    calls = stub.models.count("small-model")
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14e-6 * calls + 140e-6)
