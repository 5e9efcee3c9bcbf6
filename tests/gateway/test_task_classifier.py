"""Requests without a task, through a running gateway with a classifier that was trained from its own store."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import openai
import pytest
from tests.gateway import running
from tests.gateway.running import until

from routenlp import wiring
from routenlp.replay import stored_tasks
from routenlp.replay.task_training import Tagged, TaskPromise, train_tasks
from routenlp.settings import load
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.database import open_reader, open_store
from routenlp.store.sql.reader import read_trace
from routenlp.store.sql.records import Content, TraceRecord, new_trace_id
from routenlp.store.sql.writer import RecordWriter
from routenlp.types import Query

WORDS = {
    "intent": ["inbox", "letter", "subject", "recipient", "attachment", "reply", "forward", "draft"],
    "private": ["contract", "clause", "liability", "party", "governing", "breach", "damages", "seal"],
}
COMMON = ["please", "could", "you", "tell", "me", "what", "the", "about", "this", "and", "that", "is", "with", "for"]


def text(task: str, draw: random.Random) -> str:
    return " ".join(draw.sample(COMMON, 4) + draw.sample(WORDS[task], 4))


def fill(path) -> None:
    """As a gateway leaves it that stored the content of tagged requests."""
    draw = random.Random(0)
    writer = RecordWriter(open_store(path), content=ContentPolicy("all"), capacity=10_000)
    for i in range(1400):
        task = ("intent", "private")[i % 2]
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text(task, draw)}]
        record = TraceRecord(
            id=new_trace_id(time.time(), i.to_bytes(10)),
            at_s=time.time(),
            task=task,
            policy_version="p",
            status="certified",
            outcome="ok",
            first_tier="small",
            tier="small",
            steps=(),
            cost_usd=0.0,
            latency_s=0.1,
            task_source="tagged",
            content=Content({"messages": messages}),
        )
        assert writer.put(record)
    assert writer.close(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untagged")
    fill(folder / "routenlp.db")
    command = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "train-tasks", "--out", "tasks"]
    more = ["--store", "sqlite:///routenlp.db", "--miss", "0.02", "--json", "tasks.json"]
    subprocess.run([*command, *more], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def guessing(stub_server, policy_folder, folder):
    more = "store: {url: 'sqlite:///routenlp.db'}\ntask_classifier: {folder: tasks}"
    gateway = running.start(folder, running.settings(stub_server.url, policy_folder, more=more))
    yield gateway
    gateway.stop()


def ask(gateway, words: str, model: str = "auto", **more):
    messages = [{"role": "user", "content": words}]
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as client:
        return client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)


def test_it_was_trained_on_what_the_store_holds_and_proved(folder):
    found = json.loads((folder / "tasks.json").read_text())
    assert found["status"] == "certified"
    assert sum(found["folds"].values()) == 1400
    assert {row["task"] for row in found["tasks"]} == {"intent", "private"}


def test_a_request_without_a_task_is_served_as_the_one_it_is_of(guessing, stub, folder):
    draw = random.Random(5)
    response = next(
        r for _ in range(8) if (r := ask(guessing, text("intent", draw))).headers["x-routenlp-task"] != "default"
    )
    assert response.headers["x-routenlp-task"] == "intent"
    assert response.headers["x-routenlp-task-source"] == "classified"
    assert response.headers["x-routenlp-tier"] == "small"
    trace = response.headers["x-routenlp-trace-id"]
    connection = open_reader(folder / "routenlp.db")
    assert until(lambda: read_trace(connection, trace) is not None)
    found = read_trace(connection, trace)
    connection.close()
    assert (found.task, found.task_source) == ("intent", "classified")
    assert found.detail["task_guess"]["likeliest"] == "intent"


def test_a_private_one_stays_behind_its_wall(guessing, stub):
    stub.sure |= {"small-model": 0.1, "mid-model": 0.1}
    draw = random.Random(6)
    found = [ask(guessing, text("private", draw)).headers["x-routenlp-task"] for _ in range(8)]
    assert set(found) <= {"private", "default"}
    assert found.count("private") > 4
    assert "top-model" not in stub.models


def test_what_nothing_is_known_of_is_default_and_stays_behind_that_wall_too(guessing, stub):
    response = ask(guessing, "xylophone zeppelin")
    assert response.headers["x-routenlp-task"] == "default"
    assert response.headers["x-routenlp-task-source"] == "default"
    assert response.headers["x-routenlp-tier"] == "mid"


def test_doctor_says_what_it_knows_and_that_it_reads_a_query_again(guessing, folder):
    command = [sys.executable, "-c", "from routenlp.cli.app import main; main()", "doctor", "--no-ask", "--json", "-"]
    env = {**os.environ, "STUB_KEY": running.UPSTREAM_KEY}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    found = [(f["grade"], f["says"]) for f in json.loads(done.stdout)["findings"] if f["what"] == "task classifier"]
    assert [grade for grade, _ in found] == ["ok", "warning"]
    assert "knows intent, private; assigns from a confidence of" in found[0][1]
    assert "--router" in found[1][1]


def test_trained_on_the_routers_encoder_it_reads_a_query_for_both(policy_folder, tmp_path):
    draw = random.Random(1)
    tagged = [Tagged(Query(str(i), task, text(task, draw)), str(i)) for i in range(300) for task in WORDS]
    trained = train_tasks(tagged, TaskPromise(), encoder=wiring.encoder_of_router(policy_folder), seed=0)
    stored_tasks.save(tmp_path / "tasks", trained, TaskPromise())
    more = f"task_classifier: {{folder: '{tmp_path}/tasks'}}"
    settings = load(None, {}, default=running.settings("http://127.0.0.1:1/v1", policy_folder, more=more))
    serving = wiring.serving_policy(settings)
    stored = wiring.task_classifier(settings, serving)
    assert serving.encoder.encode(["hello"]) is not serving.encoder.encode(["hello"])
    first = stored.encoder.encode(["hello"])
    assert serving.encoder.encode(["hello"]) is first


def test_a_tag_is_believed(guessing, stub):
    response = ask(guessing, text("private", random.Random(7)), "auto:intent")
    assert response.headers["x-routenlp-task"] == "intent"
    assert response.headers["x-routenlp-task-source"] == "tagged"
