"""A task that commits is calibrated again on its audits, and commits on; or its streams are buffered, with the reason.

The real gateway, worker and command on one store; people label what was audited.
"""

from __future__ import annotations

import json
import math
import subprocess
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from aiohttp import web
from tests.gateway import running
from tests.gateway.running import command, until
from tests.gateway.stub import chunks, completion, streamed

from routenlp.backends.kept_tokens import unpacked
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import recalibrations
from routenlp.store.sql.database import open_store
from routenlp.worker.labels import import_labels

MORE = """
store: {url: 'sqlite:///routenlp.db'}
content: {store: audits}
audit: {rate: 1.0, bootstrap_rate: 1.0, max_usd_per_day: 1000}
"""
ASKED = 240
pytestmark = pytest.mark.slow


def number_of(asked) -> int:
    return int(asked.body["messages"][-1]["content"].split()[-1])


class Small:
    """Says the number it was asked for, in three tokens; of each third one it says another, and is not sure of it."""

    def __init__(self, *, scored: bool) -> None:
        self.scored = scored

    async def __call__(self, asked):
        number = number_of(asked)
        wrong = number % 3 == 0
        pieces = ("it ", "is ", "0" if wrong else str(number))
        logs = [math.log((0.5 if wrong else 0.95) - number % 7 / 200)] * 3
        tokens = [{"token": p, "logprob": x, "bytes": None} for p, x in zip(pieces, logs, strict=True)]
        tells = self.scored and asked.body.get("logprobs")
        if asked.body.get("stream"):
            events = chunks(asked, pieces)
            for event, token in zip(events[1:], tokens, strict=False):
                event["choices"][0]["logprobs"] = {"content": [token]} if tells else None
            return await streamed(asked, events)
        said = completion(asked)
        said["choices"][0]["message"]["content"] = "".join(pieces)
        said["choices"][0]["logprobs"] = {"content": tokens} if tells else None
        return web.json_response(said)


async def right(asked):
    said = completion(asked)
    said["choices"][0]["message"]["content"] = f"it is {number_of(asked)}"
    if asked.body.get("stream"):
        return await streamed(asked, chunks(asked, ("it ", "is ", str(number_of(asked)))))
    return web.json_response(said)


@pytest.fixture
def system(stub_server, stub, tmp_path):
    policy = running.write_policy(tmp_path / "system", commit=CommitRule(CommitPoint(2), 0.25))
    text = running.settings(stub_server.url, policy, more=MORE).replace(
        "intent: {metric: accuracy}", "intent: {metric: accuracy, eps: 0.2, streaming: commit}"
    )
    stub.behaviours |= {"mid-model": right, "top-model": right}
    gateway = running.start(tmp_path, text)
    yield gateway, tmp_path
    gateway.stop()


def ask(gateway, number, *, stream):
    """The trace's id; the whole stream is read."""
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=20) as client:
        messages = [{"role": "user", "content": f"say the number {number}"}]
        created = client.chat.completions.with_raw_response.create
        response = created(model="auto:intent", messages=messages, stream=stream)
        if stream:
            list(response.parse())
        return response.headers["x-routenlp-trace-id"]


def calibrated(gateway, folder):
    """Asks, half of it as streams; runs every audit; has people label all; calibrates. What is on record of that."""
    with ThreadPoolExecutor(4) as threads:
        names = list(threads.map(lambda i: ask(gateway, i, stream=i % 2 == 0), range(ASKED)))
    assert until(lambda: running.rows(folder, "SELECT count(*) FROM audits") == [(ASKED,)])
    done = command(folder, "worker", "--once")
    assert done.returncode == 0, done.stderr
    lines = [("l", json.dumps({"id": name, "reference": f"it is {i}"})) for i, name in enumerate(names)]
    connection = open_store(folder / "routenlp.db")
    import_labels(connection, lines, {"intent": "accuracy"}, ContentPolicy("audits"), grader="people", now_s=1.8e9)
    done: subprocess.CompletedProcess[str] = command(folder, "recalibrate", "--task", "intent")
    (attempt,) = recalibrations.attempts(connection, "intent")
    connection.close()
    assert (done.returncode, attempt.result) == (0, "active"), done.stdout
    follows = f"policy {attempt.version}"
    assert follows in done.stdout
    return attempt.evidence["commit"], done.stdout


def steps(folder, name):
    assert until(lambda: running.rows(folder, "SELECT detail FROM traces WHERE id = ?", name))
    ((detail,),) = running.rows(folder, "SELECT detail FROM traces WHERE id = ?", name)
    return json.loads(detail)["steps"]


def serves_anew(gateway, folder, before):
    """Whether the version that was just made answers."""
    name = ask(gateway, 1, stream=False)
    assert until(lambda: running.rows(folder, "SELECT policy FROM traces WHERE id = ?", name))
    return running.rows(folder, "SELECT policy FROM traces WHERE id = ?", name) != before


def test_on_audits_with_probabilities_streams_commit_on(system, stub):
    gateway, folder = system
    stub.behaviours["small-model"] = Small(scored=True)
    found, said = calibrated(gateway, folder)
    assert found["proved"], found
    assert "Streams commit" in said
    for (body,) in running.rows(folder, "SELECT body FROM content"):
        kept = json.loads(body)
        assert list(kept["tokens"]) == ["small"]
        tokens = unpacked(kept["tokens"]["small"], kept["answers"]["small"])
        assert (tokens.count, tuple(tokens.sizes[:2])) == (3, (3, 3)), "served, streamed or asked again"
    before = running.rows(folder, "SELECT policy FROM traces LIMIT 1")
    assert until(lambda: serves_anew(gateway, folder, before), within_s=10)
    (step,) = steps(folder, ask(gateway, 1, stream=True))
    assert step["commit"]["released"]
    assert step["commit"]["threshold"] == found["thresholds"]["small"]
    cancelled, last = steps(folder, ask(gateway, 3, stream=True))
    assert not cancelled["commit"]["released"]
    assert last["accepted"]


def test_on_audits_without_them_streams_are_buffered_and_the_reason_is_said(system, stub):
    gateway, folder = system
    stub.behaviours["small-model"] = Small(scored=False)
    found, said = calibrated(gateway, folder)
    assert (found["proved"], found["tested"]) == (False, False)
    assert found["reason"] in said
    before = running.rows(folder, "SELECT policy FROM traces LIMIT 1")
    assert until(lambda: serves_anew(gateway, folder, before), within_s=10)
    stub.behaviours["small-model"] = Small(scored=True)
    assert all(step.get("commit") is None for step in steps(folder, ask(gateway, 1, stream=True)))
    assert "intent is to commit, and the policy has no such commit rule" in gateway.log.read_text()
