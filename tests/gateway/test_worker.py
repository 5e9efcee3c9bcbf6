"""From a request to a graded audit: the real gateway, the real worker, the commands, one store."""

from __future__ import annotations

import json

import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.running import rows, until
from tests.gateway.stub import completion

MORE = """
store: {url: 'sqlite:///routenlp.db'}
content: {store: audits}
audit: {rate: 1.0, bootstrap_rate: 1.0}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("worked")


@pytest.fixture(scope="module")
def gateway(stub_server, policy_folder, folder):
    one = running.start(folder, running.settings(stub_server.url, policy_folder, more=MORE))
    yield one
    one.stop()


def command(folder, *words, code: int = 0) -> str:
    done = running.command(folder, *words)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def ask(gateway, model="auto:intent", text="hello", **more):
    messages = [{"role": "user", "content": text}]
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as client:
        response = client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)
        return response.headers["x-routenlp-trace-id"]


def state(folder, trace):
    return rows(folder, "SELECT state FROM audits WHERE trace_id = ?", trace)


def test_an_audit_is_run_labelled_and_graded_while_the_gateway_serves(gateway, stub, folder, tmp_path):
    trace = ask(gateway, temperature=0.5, metadata={"schema": "colours", "user": "u"})
    assert until(lambda: state(folder, trace) == [("pending",)])
    stub.reset()
    assert "answered 1" in command(folder, "worker", "--once")
    assert sorted(stub.models) == ["mid-model", "top-model"]
    assert {asked.body["temperature"] for asked in stub.asked} == {0.5}
    assert all(asked.body["logprobs"] for asked in stub.asked)
    found = rows(folder, "SELECT tier, asked_again, score IS NOT NULL, model FROM audit_answers ORDER BY tier")
    assert found == [("mid", 1, 1, "mid-model"), ("small", 0, 1, None), ("top", 1, 1, "top-model")]
    labels = tmp_path / "labels.jsonl"
    assert "1 queries" in command(folder, "label", "export", str(labels), "--task", "intent")
    line = json.loads(labels.read_text())
    labels.write_text(json.dumps(line | {"reference": "hello from top-model"}))
    assert "1 references and 3 grades" in command(folder, "label", "import", str(labels))
    found = rows(folder, "SELECT tier, source, quality FROM grades ORDER BY tier")
    assert found == [("mid", "metric", 0.0), ("small", "metric", 0.0), ("top", "metric", 1.0)]
    assert state(folder, trace) == [("graded",)]
    told = command(folder, "explain", trace)
    assert "1.000 (metric: accuracy)" in told.replace("\n", " ")
    command(folder, "status", "--json", "status.json")
    counts = json.loads((folder / "status.json").read_text())["audits"]
    assert {"task": "intent", "state": "graded", "reason": "", "audits": 1} in counts
    ask(gateway)


def test_a_private_query_stays_behind_its_wall_when_it_is_audited(gateway, stub, folder):
    trace = ask(gateway, "auto:private", "a private matter")
    assert until(lambda: state(folder, trace) == [("pending",)])
    stub.reset()
    command(folder, "worker", "--once")
    assert state(folder, trace) == [("answered",)]
    told = [asked.model for asked in stub.asked if "a private matter" in json.dumps(asked.body)]
    assert told == ["mid-model"]
    tiers = rows(folder, "SELECT tier FROM audit_answers WHERE trace_id = ? ORDER BY tier", trace)
    assert tiers == [("mid",), ("small",)]


def test_a_judge_grades_where_the_settings_name_one(gateway, stub, folder):
    trace = ask(gateway, text="a question for a judge")
    assert until(lambda: state(folder, trace) == [("pending",)])

    async def judges(asked):
        said = completion(asked)
        if "You grade" in json.dumps(asked.body["messages"]):
            said["choices"][0]["message"]["content"] = '{"first": 8, "second": 6}'
        return web.json_response(said)

    stub.behaviours["top-model"] = judges
    text = (folder / "routenlp.yaml").read_text() + "\njudge: {tier: top, same_family: warn}\n"
    (folder / "judged.yaml").write_text(text)
    said = command(folder, "worker", "--once", "--settings", "judged.yaml")
    assert "kin" in said
    found = rows(folder, "SELECT tier, source, quality FROM grades WHERE trace_id = ? ORDER BY tier", trace)
    assert found == [(tier, "judge", pytest.approx(0.7)) for tier in ("mid", "small", "top")]


def test_without_a_store_there_is_nothing_to_work_on(folder):
    (folder / "bare.yaml").write_text((folder / "routenlp.yaml").read_text().split("store:")[0])
    assert "store" in command(folder, "worker", "--once", "--settings", "bare.yaml", code=2)


def test_export_refuses_to_overwrite_and_import_names_the_line(folder, tmp_path):
    path = tmp_path / "there.jsonl"
    path.write_text("no json\n")
    assert "exists already" in command(folder, "label", "export", str(path), code=2)
    assert "line 1" in command(folder, "label", "import", str(path), code=2)
