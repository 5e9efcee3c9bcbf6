"""While an alarm is open the top tier serves its task and every request is audited; then the policy serves again."""

from __future__ import annotations

import openai
import pytest
from tests.gateway import running
from tests.gateway.running import command, until

from routenlp.store.sql import monitoring
from routenlp.store.sql.database import open_store
from routenlp.store.sql.monitoring import Alarm, GradedAudit, Watched

MORE = """
store: {url: 'sqlite:///routenlp.db'}
content: {store: audits}
audit: {rate: 0.0, bootstrap_rate: 0.01}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("alarmed")


@pytest.fixture(scope="module")
def gateway(stub_server, policy_folder, folder):
    one = running.start(folder, running.settings(stub_server.url, policy_folder, more=MORE))
    yield one
    one.stop()


def ask(gateway, task="intent"):
    messages = [{"role": "user", "content": "hello"}]
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as client:
        return client.chat.completions.with_raw_response.create(model=f"auto:{task}", messages=messages).headers


def raise_alarm(folder, task):
    connection = open_store(folder / "routenlp.db")
    audit = GradedAudit("t" * 32, 0.0, task, "p", "certified", "small", "small", 1, {})
    evidence = {"guarantee": "joint", "target": 0.05, "audits_seen": 40}
    monitoring.put_watched(
        connection, Watched(audit, 0.95, "detector"), None, Alarm(task, 1_700_000_000.0, "p" * 64, evidence)
    )
    connection.close()


def test_an_alarm_comes_and_goes_while_the_gateway_serves(gateway, stub, folder):
    assert ask(gateway)["x-routenlp-tier"] == "small"
    assert "No alarm is open" in command(folder, "alarms", "list").stdout
    raise_alarm(folder, "intent")
    assert until(lambda: ask(gateway)["x-routenlp-tier"] == "top")
    assert ask(gateway)["x-routenlp-status"] == "uncertified"
    assert ask(gateway, "private")["x-routenlp-tier"] == "small", "other tasks go on"
    trace = ask(gateway)["x-routenlp-trace-id"]
    connection = open_store(folder / "routenlp.db")
    audited = "SELECT audited FROM traces WHERE id = ?"
    assert until(lambda: connection.execute(audited, (trace,)).fetchall() == [(1,)])
    connection.close()
    listed = command(folder, "alarms", "list")
    assert listed.returncode == 1
    assert "intent: quality is under joint at 0.05" in listed.stdout
    assert command(folder, "alarms", "clear", "intent", "--reason", "a test").returncode == 0
    assert until(lambda: ask(gateway)["x-routenlp-tier"] == "small")
    again = command(folder, "alarms", "clear", "intent", "--reason", "a test")
    assert again.returncode == 2
    assert "is not open" in again.stderr
