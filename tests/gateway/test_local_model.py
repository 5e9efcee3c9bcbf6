"""A real language model as the gateway's cheapest tier: probabilities, metering, cancellation, death and return."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import openai
import pytest
from tests.gateway import running

from routenlp.backends.openai_compatible.completion import read
from routenlp.scoring.token_uncertainty import mean_uncertainty

pytestmark = pytest.mark.slow
QUESTION = [{"role": "user", "content": "Name the capital of France."}]


@pytest.fixture(scope="module")
def gateway(smollm2, stub_server, tmp_path_factory):
    folder = running.write_policy(tmp_path_factory.mktemp("policy"), limit=0.99, weights=smollm2)
    text = running.with_local_model(running.settings(stub_server.url, folder), smollm2)
    gateway = running.start(tmp_path_factory.mktemp("gateway"), text)
    yield gateway
    gateway.stop()


@pytest.fixture
def client(gateway, stub):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=120) as one:
        yield one


def child_of(gateway: running.Running) -> int:
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    threads = Path(f"/proc/{gateway.process.pid}/task").iterdir()
    children += [pid for thread in threads for pid in (thread / "children").read_text().split()]
    return int(children[0])


def ask(client, model="small", **more):
    given = {"max_tokens": 12, "temperature": 0, **more}
    return client.chat.completions.create(model=model, messages=QUESTION, **given)


def uncertainty(answer: bytes) -> float:
    """As the gateway scores a whole answer."""
    return mean_uncertainty(read(answer).token_probs)


def test_it_is_scored_and_accepted_like_any_tier(client):
    response = client.chat.completions.with_raw_response.create(
        model="auto:intent", messages=QUESTION, max_tokens=12, temperature=0
    )
    assert response.headers["x-routenlp-tier"] == "small"
    parsed = response.parse()
    assert parsed.choices[0].logprobs is None
    usage = parsed.usage
    assert usage.prompt_tokens > 5
    assert 0 < usage.completion_tokens <= 12
    assert float(response.headers["x-routenlp-cost-usd"]) == pytest.approx(usage.total_tokens * 1e-6)


def test_probabilities_of_alternatives_are_those_of_one_token(client):
    answer = ask(client, logprobs=True, top_logprobs=20).choices[0].logprobs.content
    assert answer
    for token in answer:
        chances = [math.exp(other.logprob) for other in token.top_logprobs]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) <= 1.0 + 1e-6
        assert token.logprob == pytest.approx(max(other.logprob for other in token.top_logprobs))


def test_uncertainty_is_the_same_streamed_and_whole(client):
    fresh = {"cache_prompt": False}
    given = {"model": "small", "messages": QUESTION, "max_tokens": 12, "temperature": 0, "logprobs": True}
    whole = client.chat.completions.with_raw_response.create(**given, extra_body=fresh)
    stream = client.chat.completions.create(
        **given, extra_body=fresh, stream=True, stream_options={"include_usage": True}
    )
    tokens, usage = [], None
    for chunk in stream:
        usage = chunk.usage or usage
        tokens += [t for c in chunk.choices if c.logprobs for t in c.logprobs.content or []]
    streamed = mean_uncertainty([math.exp(token.logprob) for token in tokens])
    assert "".join(token.token for token in tokens) == whole.parse().choices[0].message.content
    assert streamed == pytest.approx(uncertainty(whole.content), abs=1e-4)
    assert usage.completion_tokens >= len(tokens)


def test_a_client_that_leaves_frees_the_only_slot(client):
    stream = ask(client, stream=True, max_tokens=1_900, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    with client.with_options(timeout=8.0) as hurried:  # the answer that was left would take far longer
        assert ask(hurried, max_tokens=1).choices


def test_a_query_longer_than_its_context_goes_to_the_next_tier_unasked(client, stub):
    long = [{"role": "user", "content": "word " * 4_000}]
    response = client.chat.completions.with_raw_response.create(model="auto:intent", messages=long)
    assert response.headers["x-routenlp-steps"] == "mid"
    assert stub.models == ["mid-model"]


def test_one_that_is_longer_than_it_seems_is_refused_by_the_model_and_goes_to_the_next_tier(client, stub):
    long = [{"role": "user", "content": "aGVsbG8gd29ybGQhIQ0KZm9vYmFyQmF6" * 130}]
    response = client.chat.completions.with_raw_response.create(model="auto:intent", messages=long)
    assert response.headers["x-routenlp-steps"] == "small,mid"
    assert stub.models == ["mid-model"]


def test_while_it_is_dead_the_next_tier_answers_and_then_it_is_back(client, gateway, stub):
    os.kill(child_of(gateway), signal.SIGKILL)
    response = client.chat.completions.with_raw_response.create(model="auto:intent", messages=QUESTION)
    assert response.headers["x-routenlp-tier"] == "mid"

    def back() -> bool:
        try:
            return bool(ask(client, max_tokens=1).choices)
        except openai.APIError:
            return False

    assert running.until(back, within_s=60)


def test_it_ends_with_the_gateway(smollm2, stub_server, tmp_path):
    text = running.settings(stub_server.url, None)
    tier = (
        f"  - {{name: only, backend: local, weights: '{smollm2}', slots: 1, threads: 1, context: 512, "
        "price: {input_usd_per_mtok: 1.0, output_usd_per_mtok: 1.0}}\n"
    )
    gateway = running.start(
        tmp_path, "portfolio:\n" + tier + "tasks:" + text.split("tasks:")[1].replace("small, mid", "only")
    )
    child = child_of(gateway)
    gateway.process.kill()
    gateway.process.wait(10)
    assert gateway.process.stdout is not None
    gateway.process.stdout.close()
    assert running.until(lambda: not Path(f"/proc/{child}").exists(), within_s=10)
