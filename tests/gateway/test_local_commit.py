"""Mode `commit` on a real language model: its own stream is released, a cancelled call frees its slot, u stays u."""

from __future__ import annotations

import json
import time
import urllib.request

import openai
import pytest
from tests.gateway import running

from routenlp.backends.kept_tokens import unpacked
from routenlp.backends.openai_compatible.completion import read
from routenlp.backends.openai_compatible.scored_events import ScoredMeter
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.scoring.token_uncertainty import mean_uncertainty

pytestmark = pytest.mark.slow
QUESTION = [{"role": "user", "content": "Tell me about Paris in three sentences, with an emoji."}]
GREEDY = {"temperature": 0, "extra_body": {"cache_prompt": False}}


def start(stub_server, smollm2, folder, rule):
    policy = running.write_policy(folder / "policy", limit=0.99, weights=smollm2, commit=rule)
    text = running.settings(stub_server.url, policy).replace("auth: none", "auth: none, streaming: commit")
    text += "\nstore: {url: 'sqlite:///routenlp.db'}\ncontent: {store: audits}\n"
    text += "audit: {rate: 1.0, bootstrap_rate: 1.0}\n"
    return running.start(folder, running.with_local_model(text, smollm2))


@pytest.fixture(scope="module")
def releasing(smollm2, stub_server, tmp_path_factory):
    gateway = start(stub_server, smollm2, tmp_path_factory.mktemp("releasing"), CommitRule(CommitPoint(4), 1.0))
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def cancelling(smollm2, stub_server, tmp_path_factory):
    gateway = start(stub_server, smollm2, tmp_path_factory.mktemp("cancelling"), CommitRule(CommitPoint(4), 0.0))
    yield gateway
    gateway.stop()


def client_of(gateway):
    return openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=120)


def ask(client, model, **more):
    given = {"max_tokens": 60, **GREEDY, **more}
    return client.chat.completions.with_raw_response.create(model=model, messages=QUESTION, **given)


def text_of(response):
    return "".join(c.choices[0].delta.content or "" for c in response.parse() if c.choices)


def test_a_released_stream_is_the_tiers_own(releasing, stub):
    with client_of(releasing) as client:
        whole = ask(client, "small").parse().choices[0].message.content
        own = text_of(ask(client, "small", stream=True))
        response = ask(client, "auto:intent", stream=True)
        assert response.headers["x-routenlp-tier"] == "small"
        assert text_of(response) == own == whole
    assert stub.models == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_audit_keeps_every_token_of_its_answer(releasing, stub, stream):
    with client_of(releasing) as client:
        response = ask(client, "auto:intent", stream=stream)
        if stream:
            text_of(response)
    name, folder = response.headers["x-routenlp-trace-id"], releasing.log.parent
    body = "SELECT body, detail FROM content JOIN traces ON traces.id = trace_id WHERE trace_id = ?"
    assert running.until(lambda: running.rows(folder, body, name))
    ((content, detail),) = running.rows(folder, body, name)
    kept, (step,) = json.loads(content), json.loads(detail)["steps"]
    tokens = unpacked(kept["tokens"]["small"], kept["answers"]["small"])
    assert tokens.count == len(tokens.probs) > 10
    assert mean_uncertainty(tokens.probs) == pytest.approx(step["score"], abs=1e-4)


def test_a_cancelled_call_frees_the_only_slot_within_a_second(cancelling, stub):
    long = {"max_tokens": 1_900, "extra_body": {"ignore_eos": True, "cache_prompt": False}}
    with client_of(cancelling) as client:
        ask(client, "small", max_tokens=1)  # the model is warm
        response = ask(client, "auto:intent", stream=True, **long)
        assert response.headers["x-routenlp-steps"] == "small,mid"
        begun = time.monotonic()
        assert ask(client, "small", max_tokens=1, extra_body={}).parse().choices
        assert time.monotonic() - begun < 1.0, "the answer that was broken off would have taken far longer"
        assert text_of(response) == "hello from mid-model"


def test_uncertainty_by_streaming_is_that_of_the_whole_answer(releasing, stub):
    given = {"model": "small", "messages": QUESTION, "max_tokens": 60, "temperature": 0, "logprobs": True}
    given["cache_prompt"] = False
    whole = post(releasing, given)
    meter = ScoredMeter(show_usage=True, show_logprobs=True)
    meter.feed(post(releasing, {**given, "stream": True}))
    assert mean_uncertainty(tuple(meter.token_probs)) == pytest.approx(
        mean_uncertainty(read(whole).token_probs), abs=1e-4
    )
    prefixes = list(meter.prefixes(0))
    assert len(prefixes) == len(meter.token_probs) == len(read(whole).token_probs)
    assert prefixes[-1][0] == read(whole).text == "".join(meter.text)


def test_the_record_says_what_was_there_at_the_commit_point(releasing, stub):
    with client_of(releasing) as client:
        response = ask(client, "auto:intent", stream=True)
        list(response.parse())
    trace = response.headers["x-routenlp-trace-id"]

    def found():
        return running.rows(releasing.log.parent, "SELECT detail FROM traces WHERE id = ?", trace)

    assert running.until(found)
    detail = json.loads(found()[0][0])
    assert detail["steps"][0]["commit"]["tokens"] == 4
    assert 0.0 <= detail["steps"][0]["commit"]["score"] <= 1.0
    assert 0.0 < detail["first_token_s"] < 60.0


def post(gateway, body):
    request = urllib.request.Request(f"{gateway.base_url}/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=120) as response:
        return response.read()
