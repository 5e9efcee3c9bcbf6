"""A tier gets worse behind the gateway: alarm, the top tier, audits, calibration, and cheap again or off with a reason.

The real gateway and the real worker on one store; people label what was audited; nobody touches a threshold.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.running import command, until
from tests.gateway.stub import completion

from routenlp.store.content import ContentPolicy
from routenlp.store.sql import recalibrations
from routenlp.store.sql.database import open_store
from routenlp.store.sql.monitoring import every_alarm, open_alarms
from routenlp.worker.labels import import_labels

MORE = """
store: {url: 'sqlite:///routenlp.db'}
content: {store: audits}
audit: {rate: 1.0, bootstrap_rate: 1.0, max_usd_per_day: 1000}
"""


class World:
    """What each model says: the number that it was asked for is right, 0 is wrong."""

    def __init__(self) -> None:
        self.wrong = lambda i: False
        self.sure_when_wrong = 0.99
        self.asked = 0

    async def small(self, asked):
        i = int(asked.body["messages"][-1]["content"].split()[-1])
        bad = self.wrong(i)
        said = completion(asked, sure=self.sure_when_wrong if bad else 0.99)
        said["choices"][0]["message"]["content"] = "0" if bad else str(i)
        return web.json_response(said)

    async def right(self, asked):
        said = completion(asked)
        said["choices"][0]["message"]["content"] = asked.body["messages"][-1]["content"].split()[-1]
        return web.json_response(said)


@pytest.fixture
def world(stub):
    made = World()
    stub.behaviours |= {"small-model": made.small, "mid-model": made.right, "top-model": made.right}
    return made


@pytest.fixture
def gateway(stub_server, tmp_path):
    folder = running.write_policy(tmp_path / "system", limit=0.45)
    text = running.settings(stub_server.url, folder, more=MORE).replace(
        "intent: {metric: accuracy}", "intent: {metric: accuracy, eps: 0.2}"
    )
    one = running.start(tmp_path, text)
    yield one
    one.stop()


@contextmanager
def worker(folder):
    env = {**os.environ, "STUB_KEY": running.UPSTREAM_KEY}
    call = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "worker"]
    log = (folder / "worker.log").open("a")
    process = subprocess.Popen(call, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        log.close()


def ask(gateway, text):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=20) as client:
        messages = [{"role": "user", "content": text}]
        return client.chat.completions.with_raw_response.create(model="auto:intent", messages=messages).headers


def serve(gateway, folder, world, n):
    """Asks `n` new questions; a person labels them as soon as every tier has answered."""
    numbers = range(world.asked + 1, world.asked + n + 1)
    world.asked += n
    with ThreadPoolExecutor(8) as threads:
        headers = list(threads.map(lambda i: ask(gateway, f"say the number {i}"), numbers))
    named = dict(zip([h["x-routenlp-trace-id"] for h in headers], numbers, strict=True))
    connection = open_store(folder / "routenlp.db")
    marks = ",".join("?" * n)
    answered = f"SELECT count(*) FROM audits WHERE state = 'answered' AND trace_id IN ({marks})"
    assert until(lambda: connection.execute(answered, list(named)).fetchone()[0] == n, within_s=60)
    lines = [("label", json.dumps({"id": name, "reference": str(i)})) for name, i in named.items()]
    import_labels(connection, lines, {"intent": "accuracy"}, ContentPolicy("audits"), grader="people", now_s=1.8e9)
    connection.close()
    return headers


def tiers(headers):
    return {h["x-routenlp-tier"] for h in headers}


def attempts(folder):
    connection = open_store(folder / "routenlp.db")
    try:
        return recalibrations.attempts(connection)
    finally:
        connection.close()


def alarmed(folder):
    connection = open_store(folder / "routenlp.db")
    try:
        return bool(open_alarms(connection))
    finally:
        connection.close()


def raise_alarm(gateway, folder, world):
    assert tiers(serve(gateway, folder, world, 20)) == {"small"}
    world.wrong = lambda i: i % 3 != 0
    serve(gateway, folder, world, 60)
    assert until(lambda: alarmed(folder), within_s=30)
    assert until(lambda: ask(gateway, "say the number 1")["x-routenlp-tier"] == "top", within_s=5)


@pytest.mark.slow
def test_a_tier_that_got_worse_serves_again_where_it_is_still_right(gateway, folder_of, world):
    folder = folder_of(gateway)
    world.sure_when_wrong = 0.6
    with worker(folder):
        raise_alarm(gateway, folder, world)
        for _ in range(12):
            serve(gateway, folder, world, 30)
            if until(lambda: not alarmed(folder), within_s=8):
                break
        assert until(lambda: any(a.result == "active" for a in attempts(folder)))
        (done,) = [a for a in attempts(folder) if a.result == "active"]
        assert done.trigger == "alarm"
        found = done.evidence
        assert found["rung"]["limit"] < 0.4, "answers of which it is unsure go on to the next tier"
        assert found["cost_ratio"] < 0.8
        raised = every_alarm(open_store(folder / "routenlp.db"))[0]
        assert found["first_s"] >= raised.raised_s, "only audits drawn after the alarm are tested"
        assert until(lambda: ask(gateway, "say the number 3")["x-routenlp-tier"] == "small", within_s=5)
        assert ask(gateway, "say the number 3")["x-routenlp-status"] in ("certified", "asymptotic")
        assert tiers(serve(gateway, folder, world, 30)) == {"small", "mid"}
        assert not alarmed(folder)
    assert gateway.metric('routenlp_recalibrations_total{result="active",trigger="alarm"}') == 1.0
    assert gateway.metric('routenlp_alarm_level{task="intent"}') < 1.0
    assert gateway.metric('routenlp_risk_target{task="intent"}') == pytest.approx(0.8)
    assert 0.0 < gateway.metric('routenlp_certificate_age_seconds{task="intent"}') < 600.0
    told = command(folder, "status", "--settings", "routenlp.yaml", "--json", "status.json")
    assert told.returncode == 0, told.stderr
    (one,) = [t for t in json.loads((folder / "status.json").read_text())["promises"] if t["task"] == "intent"]
    assert (one["status"], one["n"], one["gold"]) == ("certified", found["n"], found["gold"])


@pytest.mark.slow
def test_a_tier_that_is_sure_of_what_is_wrong_stays_off_with_a_reason(gateway, folder_of, world):
    folder = folder_of(gateway)
    with worker(folder):
        raise_alarm(gateway, folder, world)
        world.wrong = lambda i: i % 2 == 0
        serve(gateway, folder, world, 60)
        assert until(lambda: any(a.tested for a in attempts(folder)), within_s=90)
        last = [a for a in attempts(folder) if a.tested][-1]
        assert last.result == "not proved"
        assert last.version is None
        assert last.evidence["reason"]
        assert alarmed(folder)
        assert ask(gateway, "say the number 1")["x-routenlp-tier"] == "top"
    said = command(folder, "recalibrate", "--task", "intent", "--dry-run")
    assert said.returncode == 1
    assert "What served goes on" in said.stdout
    assert math.isfinite(last.evidence["level"])


@pytest.mark.slow
def test_of_two_workers_one_works_and_the_admin_listener_pauses_it(gateway, world, tmp_path):
    assert world.asked == 0
    with worker(tmp_path) as first:
        lease = "SELECT holder FROM leases WHERE name = 'worker'"
        connection = open_store(tmp_path / "routenlp.db")
        assert until(lambda: connection.execute(lease).fetchone() is not None, within_s=20)
        assert "Another worker leads" in command(tmp_path, "worker", "--once").stdout
        assert gateway.post("/admin/worker/pause") == {"paused": True}
        ask(gateway, "say the number 1")
        waits = "SELECT count(*) FROM audits WHERE state = 'pending'"
        assert until(lambda: connection.execute(waits).fetchone()[0] == 1)
        assert not until(lambda: connection.execute(waits).fetchone()[0] == 0, within_s=8)
        assert "PAUSED, by the admin API" in command(tmp_path, "status").stdout.replace("\n", " ")
        assert gateway.post("/admin/worker/resume") == {"paused": False}
        assert until(lambda: connection.execute(waits).fetchone()[0] == 0, within_s=15)
        first.kill()
        first.wait(10)
        connection.execute("UPDATE leases SET until_s = 0")
        assert "Another worker leads" not in command(tmp_path, "worker", "--once").stdout
        connection.close()


@pytest.fixture
def folder_of(tmp_path):
    return lambda _: tmp_path
