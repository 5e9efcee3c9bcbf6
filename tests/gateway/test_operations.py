"""Keys, budgets, the record, metrics, reload, draining."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request

import openai
import pytest
from tests.gateway import running
from tests.gateway.running import rows, until
from tests.gateway.stub import chunks, streamed

from routenlp.store.sql import keys
from routenlp.store.sql.database import open_reader, open_store
from routenlp.store.sql.money import Budget
from routenlp.store.sql.reader import read_trace

HELLO = [{"role": "user", "content": "my very private question"}]
STORE = "store: {url: 'sqlite:///routenlp.db'}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def secrets(folder):
    connection = open_store(folder / "routenlp.db")
    made = {
        "plain": keys.create(connection, "plain", now_s=time.time()),
        "poor": keys.create(connection, "poor", now_s=time.time(), budget=Budget(0.02, "total")),
        "slow": keys.create(connection, "slow", now_s=time.time(), requests_per_minute=6),
        "narrow": keys.create(connection, "narrow", now_s=time.time(), tasks=frozenset({"intent"})),
    }
    connection.close()
    return {name: created.secret for name, created in made.items()}


@pytest.fixture(scope="module")
def kept(stub_server, policy_folder, folder, secrets):
    text = running.settings(stub_server.url, policy_folder, more=STORE, auth="keys")
    gateway = running.start(folder, text)
    yield gateway
    gateway.stop()


def client_of(gateway, secret: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.base_url, api_key=secret, max_retries=0, timeout=10)


def ask(gateway, secret, model="auto:intent", **more):
    with client_of(gateway, secret) as client:
        return client.chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)


def stored(folder, trace: str):
    """The trace as the store gives it back, once it is there."""
    connection = open_reader(folder / "routenlp.db")
    try:
        assert until(lambda: read_trace(connection, trace) is not None)
        return read_trace(connection, trace)
    finally:
        connection.close()


def test_no_key_no_answer(kept, stub):
    for secret in ("wrong", "rnlp_" + "0" * 64):
        with pytest.raises(openai.AuthenticationError):
            ask(kept, secret)
    with pytest.raises(openai.AuthenticationError), client_of(kept, "wrong") as client:
        client.models.list()
    assert stub.asked == []


def test_a_key_opens_what_it_may(kept, secrets, stub):
    assert ask(kept, secrets["plain"]).headers["x-routenlp-tier"] == "small"
    assert ask(kept, secrets["narrow"]).headers["x-routenlp-tier"] == "small"
    with pytest.raises(openai.PermissionDeniedError):
        ask(kept, secrets["narrow"], "auto")


def test_a_budget_is_reserved_and_settled(kept, secrets, stub):
    done = 0
    while opens(kept, secrets["poor"], max_tokens=10) and done < 40:
        done += 1
    with pytest.raises(openai.RateLimitError) as caught:
        ask(kept, secrets["poor"], "auto", max_tokens=10)
    assert caught.value.code == "insufficient_quota"
    assert done * 14 * 100e-6 <= 0.02
    assert done >= 5


def test_a_bound_of_four_hundred_digits_is_no_fault_of_ours(kept, secrets, stub):
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1' + b"0" * 400 + b"}"
    request = urllib.request.Request(f"{kept.base_url}/chat/completions", data=body, method="POST")
    request.add_header("authorization", f"Bearer {secrets['plain']}")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def test_streams_are_charged_although_nobody_asked_for_usage(kept, secrets, stub, folder):
    with client_of(kept, secrets["plain"]) as client:
        response = client.chat.completions.with_raw_response.create(model="auto", messages=HELLO, stream=True)
        list(response.parse())
        trace = response.headers["x-routenlp-trace-id"]
    assert stored(folder, trace).cost_usd == pytest.approx(12 * 100e-6)


def test_a_key_over_its_rate_is_told_when_to_come_back(kept, secrets, stub):
    assert opens(kept, secrets["slow"])
    while opens(kept, secrets["slow"]):
        pass
    with pytest.raises(openai.RateLimitError) as caught:
        ask(kept, secrets["slow"])
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 0


def test_every_request_is_on_record_without_what_was_said(kept, secrets, stub, folder):
    stub.sure["small-model"] = 0.5
    trace = ask(kept, secrets["plain"]).headers["x-routenlp-trace-id"]
    found = stored(folder, trace)
    assert (found.task, found.tier, found.status, found.outcome) == ("intent", "mid", "certified", "ok")
    assert [(step["tier"], step["score"] is not None, step["accepted"]) for step in found.detail["steps"]] == [
        ("small", True, False),
        ("mid", True, True),
    ]
    assert found.overhead_s is not None
    assert 0 < found.overhead_s < found.latency_s
    everything = (folder / "routenlp.db").read_bytes() + (folder / "routenlp.db-wal").read_bytes()
    for secret in (b"very private question", secrets["plain"].encode(), running.UPSTREAM_KEY.encode()):
        assert secret not in everything


def test_feedback_is_taken_once(kept, secrets, stub, folder):
    completion = ask(kept, secrets["plain"]).parse().id
    body = json.dumps({"id": completion, "score": 0.5, "label": "good"}).encode()
    for _ in range(2):
        request = urllib.request.Request(
            f"{kept.base_url}/feedback", body, {"authorization": f"Bearer {secrets['plain']}"}
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            assert (response.status, json.loads(response.read())["taken"]) == (202, 2)
    count = "SELECT count(*) FROM feedback WHERE about = ?"
    assert until(lambda: rows(folder, count, completion) == [(2,)])
    bad = urllib.request.Request(
        f"{kept.base_url}/feedback", b'{"id": "x", "score": 7}', {"authorization": f"Bearer {secrets['plain']}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(bad, timeout=5)
    assert caught.value.code == 400
    caught.value.close()


def test_metrics_need_the_admin_key(kept, secrets, stub):
    ask(kept, secrets["plain"])
    assert kept.metric("routenlp_requests_total") >= 1
    assert kept.metric("routenlp_overhead_seconds_count") >= 1
    assert 'routenlp_cost_usd_total{tier="small"}' in kept.metrics()
    assert kept.metric("routenlp_store_dropped_total") == 0
    for key in (None, "wrong", secrets["plain"]):
        with pytest.raises(urllib.error.HTTPError) as caught:
            kept.get(f"{kept.admin}/metrics", key=key)
        assert caught.value.code == 401
        caught.value.close()


def test_a_revoked_key_opens_nothing(kept, secrets, stub, folder):
    connection = open_store(folder / "routenlp.db")
    extra = keys.create(connection, "extra", now_s=time.time())
    assert until(lambda: opens(kept, extra.secret))
    keys.revoke(connection, extra.key.id, now_s=time.time())
    connection.close()
    assert until(lambda: not opens(kept, extra.secret))


def opens(gateway, secret, **more) -> bool:
    try:
        ask(gateway, secret, "auto", **more)
    except (openai.AuthenticationError, openai.RateLimitError):
        return False
    return True


def test_a_second_gateway_on_one_store_is_refused(kept, stub, policy_folder, folder, tmp_path):
    text = running.settings(stub.url, policy_folder, more=f"store: {{url: 'sqlite:///{folder}/routenlp.db'}}")
    with pytest.raises(RuntimeError, match="another gateway"):
        running.start(tmp_path, text)


@pytest.fixture
def own(stub, policy_folder, tmp_path):
    gateway = running.start(tmp_path, running.settings(stub.url, policy_folder))
    yield gateway
    gateway.stop()


def test_a_reload_takes_good_settings_and_keeps_the_last_good_ones(own, stub, policy_folder, tmp_path):
    settings = tmp_path / "routenlp.yaml"
    good = settings.read_text()
    settings.write_text(good.replace("quick:", "fresh:"))
    own.process.send_signal(signal.SIGHUP)
    assert until(lambda: "fresh" in own.get(f"{own.admin}/admin/status"))
    settings.write_text(good.replace("portfolio:", "portfolioo:"))
    request = urllib.request.Request(
        f"{own.admin}/admin/reload", b"", {"authorization": f"Bearer {running.ADMIN_KEY}"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert caught.value.code == 409
    assert "portfolioo" in caught.value.read().decode()
    caught.value.close()
    assert "fresh" in own.get(f"{own.admin}/admin/status")
    assert ask(own, "x").headers["x-routenlp-tier"] == "small"


def test_prices_that_changed_void_the_certificates(stub, policy_folder, tmp_path):
    text = running.settings(stub.url, policy_folder).replace("input_usd_per_mtok: 1.0", "input_usd_per_mtok: 2.0")
    gateway = running.start(tmp_path, text)
    try:
        response = ask(gateway, "x")
        assert (response.headers["x-routenlp-tier"], response.headers["x-routenlp-status"]) == ("top", "uncertified")
    finally:
        gateway.stop()


def test_it_drains(own, stub):
    async def unhurried(asked):
        return await streamed(asked, chunks(asked, tuple("abcdefgh")), pause_s=0.1)

    stub.behaviours["top-model"] = unhurried
    seen: list[str] = []

    def listen() -> None:
        with client_of(own, "x") as client:
            stream = client.chat.completions.create(model="auto", messages=HELLO, stream=True)
            seen.extend(c.choices[0].delta.content or "" for c in stream if c.choices)

    listener = threading.Thread(target=listen)
    listener.start()
    assert until(lambda: stub.asked != [])
    own.process.send_signal(signal.SIGTERM)
    listener.join(10)
    assert "".join(seen) == "abcdefgh"
    assert own.stop() == 0


def test_health_needs_no_key_and_no_upstream(kept, stub):
    for url in (kept.url, kept.admin):
        assert "live" in kept.get(f"{url}/health/live", key=None)
        assert "ready" in kept.get(f"{url}/health/ready", key=None)
    assert stub.asked == []


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("api_key_env: STUB_KEY", "api_key_env: NOT_SET", "NOT_SET"),
        (", price: {input_usd_per_mtok: 100.0, output_usd_per_mtok: 100.0}", "", "portfolio.top.price"),
        ("auth: none", "auth: keys", "gateway.auth"),
        ("allowed_tiers: [small, mid]", "allowed_tiers: [huge]", "allowed_tiers"),
        ("name: small", "name: tiny", "allowed_tiers"),
    ],
)
def test_it_does_not_start_on_settings_that_are_wrong(stub, policy_folder, tmp_path, old, new, names):
    text = running.settings(stub.url, policy_folder)
    assert old in text
    with pytest.raises(RuntimeError, match=names):
        running.start(tmp_path, text.replace(old, new))
