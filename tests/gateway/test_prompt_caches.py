"""A conversation stays with the tier whose prompt cache holds it, where that is worth more than the difference."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.running import until
from tests.gateway.stub import completion
from tests.unit.cascade.test_continuation import COST
from tests.unit.cascade.test_prompt_caches import as_expected

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.cascade.policy import Policy
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SURFACE, SurfaceFrame
from routenlp.router.stack import StackedEstimates
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Task

LONG = [{"role": "system", "content": "You are patient. " * 300}, {"role": "user", "content": "hello"}]
GOES_ON = [*LONG, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
QUALITY = (0.80, 0.84, 0.85)
CACHED_USD = 1.0
TOKENS = 20_000
"""Of which mid's cache saves $0.18, as the rule counts 0.18 of the top tier's usual cost."""


def usage(tokens: int, cached: int):
    async def behave(asked):
        details = {"prompt_tokens_details": {"cached_tokens": cached}} if cached else {}
        told = {"prompt_tokens": tokens, "completion_tokens": 3, "total_tokens": tokens + 3} | details
        return web.json_response(completion(asked, usage=told))

    return behave


def write_policy(folder):
    """Expects `QUALITY` of every query, and weighs costs: by itself it begins at small."""
    encoder = HashedEncoder(
        np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.float32), np.zeros((1, 2), dtype=np.float16)
    )
    prices = [
        Price(usd, usd, CACHED_USD if name == "mid" else None)
        for name, usd in zip(running.TIERS, running.PRICES, strict=True)
    ]
    tiers = [Tier(name, "openai", price, f"{name}-model") for name, price in zip(running.TIERS, prices, strict=True)]
    surface = SurfaceFrame(np.zeros(SURFACE), np.ones(SURFACE))
    quality, cost = (
        StackedEstimates((), np.empty((0, 0)), None, np.empty(0, dtype=np.int64), np.array(levels))
        for levels in (QUALITY, COST[0])
    )
    router = LearnedRouter(encoder, surface, running.TIERS, ("intent",), quality, cost, 1.0)
    rule = as_expected(0.2).stop_rule
    tasks = {"intent": Task("intent", "accuracy", 1.0, 1.0)}
    policy = Policy(Portfolio(tuple(tiers)), tasks, router, TokenUncertainty(), rule)
    return running.save_policy(folder, policy, encoder)


def settings(url, folder, more=""):
    text = running.settings(url, write_policy(folder / "policy"), more=f"store: {{url: 'sqlite:///{folder}/r.db'}}")
    mid = "input_usd_per_mtok: 10.0, output_usd_per_mtok: 10.0"
    assert mid in text
    text = text.replace(mid, f"{mid}, cache_read_usd_per_mtok: {CACHED_USD}")
    return text.replace("drain_s: 5", f"drain_s: 5{more}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weighing")


@pytest.fixture(scope="module")
def weighing(stub_server, folder):
    gateway = running.start(folder, settings(stub_server.url, folder))
    yield gateway
    gateway.stop()


def ask(gateway, messages, model="auto:intent", **more):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as client:
        return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def test_a_conversation_goes_on_at_the_tier_whose_cache_holds_it(weighing, stub, folder):
    stub.behaviours["mid-model"] = usage(TOKENS, 0)
    assert ask(weighing, GOES_ON).headers["x-routenlp-tier"] == "small"
    ask(weighing, LONG, "mid")
    stub.behaviours["mid-model"] = usage(TOKENS, TOKENS - 100)
    response = ask(weighing, GOES_ON)
    assert response.headers["x-routenlp-tier"] == "mid"
    cost = ((TOKENS - 100) * CACHED_USD + 103 * 10.0) / 1e6
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(cost)
    trace = response.headers["x-routenlp-trace-id"]
    found = detail(folder, trace)
    assert found["steps"][0]["cached_tokens"] == TOKENS - 100
    assert "prompt cache" in found["route_reason"]


def test_another_conversation_does_not(weighing, stub):
    stub.behaviours["mid-model"] = usage(TOKENS, 0)
    ask(weighing, LONG, "mid")
    other = [{"role": "system", "content": "You are hasty. " * 300}, *GOES_ON[1:]]
    assert ask(weighing, other).headers["x-routenlp-tier"] == "small"


def test_a_cache_that_gives_nothing_holds_nobody(weighing, stub):
    first = [{"role": "user", "content": "A long story. " * 400}]
    stub.behaviours["mid-model"] = usage(TOKENS, 0)
    ask(weighing, first, "mid")
    turns = [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    assert ask(weighing, first + turns).headers["x-routenlp-tier"] == "mid"
    assert ask(weighing, first + turns + turns).headers["x-routenlp-tier"] == "small"


def test_a_streamed_answer_is_known_by_its_usage_too(weighing, stub):
    first = [{"role": "user", "content": "Another long story. " * 400}]
    with openai.OpenAI(base_url=weighing.base_url, api_key="none", max_retries=0, timeout=10) as client:
        assert list(client.chat.completions.create(model="mid", messages=first, stream=True))
    # The stub's stream tells of seven tokens, which no provider caches.
    turns = [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]
    assert ask(weighing, first + turns).headers["x-routenlp-tier"] == "small"


def test_it_can_be_turned_off(stub, tmp_path):
    gateway = running.start(tmp_path, settings(stub.url, tmp_path, ", keep_prompt_caches: false"))
    try:
        stub.behaviours["mid-model"] = usage(TOKENS, 0)
        ask(gateway, LONG, "mid")
        assert ask(gateway, GOES_ON).headers["x-routenlp-tier"] == "small"
    finally:
        gateway.stop()


def detail(folder, trace):
    connection = sqlite3.connect(folder / "r.db")
    try:
        query = "SELECT detail FROM traces WHERE id = ?"
        assert until(lambda: connection.execute(query, (trace,)).fetchone() is not None)
        return json.loads(connection.execute(query, (trace,)).fetchone()[0])
    finally:
        connection.close()
