"""Which requests are drawn for audits, and what of them is kept."""

from __future__ import annotations

import json

import openai
import pytest
from tests.gateway import running
from tests.gateway.running import rows, until

from routenlp.gateway.audit_draw import is_audited

MORE = """
store: {url: 'sqlite:///routenlp.db'}
content: {store: audits}
audit: {rate: 0.5, bootstrap_rate: 1.0}
"""
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who is ann@example.org?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def audited_gateway(stub_server, policy_folder, folder):
    gateway = running.start(folder, running.settings(stub_server.url, policy_folder, more=MORE))
    yield gateway
    gateway.stop()


def ask(gateway, model="auto:intent", messages=QUESTION, **more):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as client:
        response = client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)
        return response.headers["x-routenlp-trace-id"]


def kept(folder, traces):
    """Rows of `traces`, once all are stored: id, audited, propensity."""
    marks = ",".join("?" * len(traces))
    query = f"SELECT id, audited, audit_propensity FROM traces WHERE id IN ({marks})"
    assert until(lambda: len(rows(folder, query, *traces)) == len(traces))
    return rows(folder, query, *traces)


def test_a_certified_tasks_share_is_drawn_by_the_traces_ids_and_only_theirs_is_kept(audited_gateway, stub, folder):
    traces = [ask(audited_gateway) for _ in range(30)]
    found = kept(folder, traces)
    drawn = {trace for trace in traces if is_audited(trace, 0.5)}
    assert {trace for trace, audited, _ in found if audited} == drawn
    assert {propensity for *_, propensity in found} == {0.5}
    assert 0 < len(drawn) < 30
    with_content = {trace for (trace,) in rows(folder, "SELECT trace_id FROM content")}
    assert with_content & set(traces) == drawn
    waiting = {trace for (trace,) in rows(folder, "SELECT trace_id FROM audits WHERE state = 'pending'")}
    assert waiting & set(traces) == drawn


def test_a_task_without_a_certificate_is_audited_more(audited_gateway, stub, folder):
    ((_, audited, propensity),) = kept(folder, [ask(audited_gateway, "auto")])
    assert (audited, propensity) == (1, 1.0)


def test_an_audit_keeps_what_another_tier_must_be_given_and_no_address(audited_gateway, stub, folder):
    trace = ask(audited_gateway, "auto", temperature=0.3, user="u1", stream=False)
    kept(folder, [trace])
    ((body,),) = rows(folder, "SELECT body FROM content WHERE trace_id = ?", trace)
    content = json.loads(body)
    assert content["request"]["temperature"] == 0.3
    assert content["request"]["messages"][1]["content"] == "Who is [email]?"
    assert content["redacted"]
    assert not {"user", "model", "stream"} & set(content["request"])
    assert content["answers"] == {"top": "hello from top-model"}


def test_what_a_client_chose_for_itself_is_no_audit(audited_gateway, stub, folder):
    traces = [ask(audited_gateway, "top"), ask(audited_gateway, "auto", extra_headers={"x-routenlp-router": "off"})]
    assert {(audited, propensity) for _, audited, propensity in kept(folder, traces)} == {(0, None)}


def test_an_audits_tiers_are_within_its_wall(audited_gateway, stub, folder):
    traces = [ask(audited_gateway, "auto:private") for _ in range(12)]
    kept(folder, traces)
    marks = ",".join("?" * len(traces))
    found = rows(folder, f"SELECT DISTINCT tiers FROM audits WHERE trace_id IN ({marks})", *traces)
    assert found == [('["small","mid"]',)]


def test_a_conversation_is_one_group_on_record_and_its_words_are_not(audited_gateway, stub, folder):
    turns = [*QUESTION, {"role": "assistant", "content": "A person."}, {"role": "user", "content": "Which one?"}]
    other = [QUESTION[0], {"role": "user", "content": "Another question"}]
    traces = [ask(audited_gateway, "auto", messages=messages) for messages in (QUESTION, turns, other)]
    kept(folder, traces)
    details = [json.loads(rows(folder, "SELECT detail FROM traces WHERE id = ?", trace)[0][0]) for trace in traces]
    first, second, third = (detail["group"] for detail in details)
    assert first == second != third


def test_a_request_that_no_tier_answers_is_an_audit_all_the_same(audited_gateway, stub, folder):
    async def fails(asked):
        from aiohttp import web

        return web.json_response({}, status=400)

    stub.behaviours["top-model"] = fails
    with pytest.raises(openai.BadRequestError) as caught:
        ask(audited_gateway, "auto")
    trace = caught.value.response.headers["x-routenlp-trace-id"]
    kept(folder, [trace])
    assert rows(folder, "SELECT state FROM audits WHERE trace_id = ?", trace) == [("pending",)]
