"""Calls that an endpoint had got, and whose answer was not waited for: it bills them, so they are charged."""

from __future__ import annotations

import asyncio
import json
import time

import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.stub import silent, status

from routenlp.store.sql import keys
from routenlp.store.sql.database import open_store
from routenlp.store.sql.money import Budget

WORDS = 300
HELLO = [{"role": "user", "content": "word " * WORDS}]
SENT_USD = {"small": WORDS * 1e-6, "mid": WORDS * 10e-6, "top": WORDS * 100e-6}
"""By tier, what reading that costs, where nobody reports tokens."""
NANOS = "SELECT id, cost_nanos, detail FROM traces WHERE outcome = ? ORDER BY id DESC LIMIT 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("unanswered")


@pytest.fixture(scope="module")
def secrets(folder):
    connection = open_store(folder / "routenlp.db")
    made = {
        "plain": keys.create(connection, "plain", now_s=time.time()),
        "poor": keys.create(connection, "poor", now_s=time.time(), budget=Budget(0.075, "total")),
    }
    connection.close()
    return {name: created.secret for name, created in made.items()}


@pytest.fixture(scope="module")
def shared(stub_server, policy_folder, folder, secrets):
    more = "store: {url: 'sqlite:///routenlp.db'}\naudit: {rate: 0.0, bootstrap_rate: 0.0}"
    tier = ", first_token_s: 0.5, total_s: 1, retries: 1"
    gateway = running.start(folder, running.settings(stub_server.url, policy_folder, more=more, tier=tier, auth="keys"))
    yield gateway
    gateway.stop()


@pytest.fixture
def ask(shared, stub, secrets):
    def one(model, *, key="plain", leave_s=10.0, **more):
        client = openai.OpenAI(base_url=shared.base_url, api_key=secrets[key], max_retries=0, timeout=leave_s)
        with client:
            create = client.chat.completions.with_raw_response.create
            return create(model=model, messages=HELLO, max_tokens=1, **more)

    return one


@pytest.fixture
def stored(folder, shared):
    """The newest trace of an outcome since the test began: what it cost, and its steps."""
    seen = {outcome: running.rows(folder, NANOS, outcome) for outcome in ("ok", "client_left", "upstream_error")}

    def newest(outcome):
        assert running.until(lambda: running.rows(folder, NANOS, outcome) != seen[outcome])
        ((_, nanos, detail),) = running.rows(folder, NANOS, outcome)
        return nanos / 1e9, json.loads(detail)["steps"]

    return newest


async def begins_a_body(asked) -> web.StreamResponse:
    """Its headers come, and half an answer, and no more."""
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(asked.request)
    await response.write(b'{"choices": [')
    await asyncio.sleep(60)
    return response


@pytest.mark.parametrize(
    ("model", "tier"), [("auto:intent", "small"), ("auto", "top"), ("mid", "mid")], ids=["routed", "last", "named"]
)
@pytest.mark.parametrize("behaviour", [silent, begins_a_body], ids=["silent", "half"])
def test_a_client_that_leaves_has_paid_for_what_was_sent(ask, stub, stored, model, tier, behaviour):
    stub.behaviours[f"{tier}-model"] = behaviour
    with pytest.raises(openai.APITimeoutError):
        ask(model, leave_s=0.25)
    cost_usd, (step,) = stored("client_left")
    assert cost_usd == pytest.approx(SENT_USD[tier])
    assert (step["tier"], step["error"], step["accepted"]) == (tier, "client_left", False)
    assert (step["input_tokens"], step["output_tokens"]) == (None, None), "nobody reported any"


def test_a_tier_that_is_late_is_charged_beside_the_one_that_answers(ask, stub, stored, folder):
    stub.behaviours["small-model"] = silent
    response = ask("auto:quick")
    assert response.headers["x-routenlp-steps"] == "small,top"
    paid = SENT_USD["small"] + 14 * 100e-6
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(paid)
    cost_usd, (late, answered) = stored("ok")
    assert cost_usd == pytest.approx(paid)
    assert (late["error"], late["cost_usd"]) == ("timeout", pytest.approx(SENT_USD["small"]))
    assert answered["cost_usd"] == pytest.approx(14 * 100e-6)
    said = running.command(folder, "explain", response.headers["x-routenlp-trace-id"]).stdout
    told = "small gave no answer (timeout), and bills what it was sent: $0.000300 is an estimate."
    assert told in " ".join(said.split())


def test_an_error_says_what_the_late_tier_bills(ask, stub, stored):
    stub.behaviours["top-model"] = silent
    with pytest.raises(openai.InternalServerError) as caught:
        ask("auto")
    assert caught.value.status_code == 504
    assert float(caught.value.response.headers["x-routenlp-cost-usd"]) == pytest.approx(SENT_USD["top"])
    assert stored("upstream_error")[0] == pytest.approx(SENT_USD["top"])


@pytest.mark.parametrize("leave_s", [0.25, 10.0], ids=["left", "late"])
def test_a_stream_without_a_first_byte_is_billed_too(ask, stub, stored, leave_s):
    stub.behaviours["top-model"] = silent
    with pytest.raises((openai.APITimeoutError, openai.InternalServerError)):
        ask("auto", leave_s=leave_s, stream=True)
    cost_usd, (step,) = stored("client_left" if leave_s < 1 else "upstream_error")
    assert cost_usd == step["cost_usd"] == pytest.approx(SENT_USD["top"])


def test_a_refusal_is_free(ask, stub):
    stub.behaviours["small-model"] = status(500)
    response = ask("auto:intent")
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(14 * 10e-6)


def test_a_client_that_leaves_between_two_tries_pays_nothing(ask, stub, stored):
    stub.behaviours["top-model"] = status(429, headers={"retry-after": "0.4"})
    with pytest.raises(openai.APITimeoutError):
        ask("auto", leave_s=0.2)
    assert len(stub.asked) == 1
    assert stored("client_left") == (0.0, [])


def test_a_budget_sees_what_was_left(ask, stub, stored):
    stub.behaviours["top-model"] = silent
    with pytest.raises(openai.APITimeoutError):
        ask("top", key="poor", leave_s=0.25)
    stored("client_left")
    with pytest.raises(openai.RateLimitError) as caught:
        ask("top", key="poor")
    assert caught.value.code == "insufficient_quota"


def test_answers_are_timed_and_breakers_judged_as_ever(ask, shared, stub, stored):
    answers = 'gen_ai_client_operation_duration_seconds_count{error_type="",'
    watched = (answers, "routenlp_ttft_seconds_count", "routenlp_breaker_state")
    stub.behaviours["top-model"] = silent
    before = [shared.metric(name) for name in watched]
    billed = shared.metric('routenlp_cost_usd_total{tier="top"}')
    for _ in range(6):
        with pytest.raises(openai.APITimeoutError):
            ask("auto", leave_s=0.2)
    stored("client_left")
    assert running.until(
        lambda: shared.metric('routenlp_cost_usd_total{tier="top"}') - billed == pytest.approx(6 * SENT_USD["top"])
    )
    assert [shared.metric(name) for name in watched] == before
