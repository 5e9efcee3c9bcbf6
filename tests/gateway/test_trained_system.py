"""A trained system's folder serves: over HTTP the official client gets what the policy decides offline."""

from __future__ import annotations

import contextlib
import json
import shutil
import time

import openai
import pytest
from tests.gateway import running, tiny_system

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student.backend import StudentBackend
from routenlp.bench.demo.traffic import send
from routenlp.cli import doctor
from routenlp.conformal.verdict import Status
from routenlp.replay.serve import serve
from routenlp.settings import load


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_system.train(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def gateway(tiny, tmp_path_factory):
    text = tiny.folder.settings.read_text().replace("{port: 0", "{auth: none, port: 0")
    assert "auth: none" in text
    gateway = running.start(tmp_path_factory.mktemp("gateway"), text)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def exchanges(tiny, gateway):
    """Every held-out query, asked over HTTP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # which the loopback does without
        return send(tiny.tested, gateway.base_url, "none", lambda *_: None, seed=1, connections=4)


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=20) as one:
        yield one


def settings_of(tiny):
    return load(tiny.folder.settings, {}, default="")


def user(text):
    return [{"role": "user", "content": text}]


def test_what_http_answers_is_what_the_policy_says_offline(tiny, exchanges):
    settings = settings_of(tiny)
    serving = wiring.serving_policy(settings)
    cheap, top = serving.policy.portfolio.tiers
    students = wiring.load_students(settings, serving.students)["ngram"]
    human = RecordedBackend(top, {e.query.id: e.reference for e in tiny.tested})
    backends = {"ngram": StudentBackend(cheap, students, time.perf_counter), "human-labels": human}
    traces = [serve(serving.policy, backends, e.query) for e in tiny.tested]
    assert [x.text for x in exchanges] == [t.answer.text for t in traces]
    assert [x.tiers for x in exchanges] == [t.tiers for t in traces]
    assert [x.cost_usd for x in exchanges] == pytest.approx([t.cost_usd for t in traces], abs=1e-9)
    assert {x.tier for x in exchanges} == {"ngram", "human-labels"}, "both tiers had something to do"


def test_a_stream_is_the_same_answer_in_a_few_events(tiny, client):
    query = tiny.tested[0].query
    for model in ("ngram", "human-labels", "auto:generated_intent"):
        common = {"model": model, "messages": user(query.text), "metadata": {"task": query.task}}
        whole = client.chat.completions.create(**common)
        options = {"include_usage": True}
        chunks = list(client.chat.completions.create(**common, stream=True, stream_options=options))
        said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert said == whole.choices[0].message.content
        assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_the_schema_in_metadata_reaches_the_student(tiny, client):
    query = next(e.query for e in tiny.tested if e.query.task == "generated_entities" and e.reference != "[]")
    common = {"model": "ngram", "messages": user(query.text), "logprobs": True}
    task = {"task": query.task}
    known = client.chat.completions.create(**common, metadata={**task, "schema": query.metadata["schema"]})
    unknown = client.chat.completions.create(**common, metadata={**task, "schema": "no such labels"})
    assert json.loads(known.choices[0].message.content)
    assert unknown.choices[0].message.content == "[]"
    assert unknown.choices[0].logprobs.content[0].logprob == -9999.0, "a student that does not know is never sure"


def test_what_a_student_cannot_do_goes_on_to_the_next_tier(exchanges, client):
    query = next(x.example.query for x in exchanges if x.tiers[0] == "ngram")
    raw = client.chat.completions.with_raw_response.create(
        model=f"auto:{query.task}", messages=user(query.text), metadata=query.metadata, tools=[], n=1, stop=None
    )
    assert raw.headers["x-routenlp-steps"].split(",")[0] == "ngram"
    with pytest.raises(openai.BadRequestError, match="cannot do n over 1") as caught:
        client.chat.completions.create(model=f"auto:{query.task}", messages=user(query.text), n=2)
    assert caught.value.response.headers["x-routenlp-steps"] == "ngram,human-labels"
    assert caught.value.code == "upstream_unsayable"


def test_a_query_that_was_not_recorded_is_a_clean_error(client):
    with pytest.raises(openai.UnprocessableEntityError, match="not a model") as caught:
        client.chat.completions.create(model="human-labels", messages=user("never asked before"))
    assert caught.value.code == "not_recorded"


def test_the_certificates_hold_for_these_students_and_for_no_others(tiny, tmp_path):
    settings = settings_of(tiny)
    serving = wiring.serving_policy(settings)
    assert set(serving.statuses.values()) == {Status.EMPIRICAL}
    assert set(serving.students["ngram"]) == set(tiny_system.TASKS)
    other = tiny_system.train(tmp_path, rows=300)
    shutil.rmtree(tiny.folder.system.with_name("changed"), ignore_errors=True)
    changed = shutil.copytree(tiny.folder.system, tmp_path / "changed")
    shutil.rmtree(changed / wiring.TIERS)
    shutil.copytree(other.folder.system / wiring.TIERS, changed / wiring.TIERS)
    text = tiny.folder.settings.read_text().replace(str(tiny.folder.system), str(changed))
    statuses = wiring.serving_policy(load(None, {}, default=text)).statuses
    assert set(statuses.values()) == {Status.UNCERTIFIED}


def test_the_doctor_knows_both_kinds_of_tier(tiny, capsys):
    with contextlib.suppress(SystemExit):
        doctor.run(tiny.folder.settings, {}, "-", ask=True)
    found = {f["what"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert "students for generated_entities, generated_intent" in found["tier ngram"]["says"]
    assert "no model" in found["tier human-labels"]["says"]
    assert found["task generated_intent"]["says"] == "empirical: cheap tiers serve"
    assert "wrong" not in {f["grade"] for f in found.values()}
