"""The server does what its documents say."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from tests.gateway import running
from tests.gateway.stub import chunks, completion, streamed

from routenlp.gateway.openapi.documents import admin_document, public_document
from routenlp.gateway.openapi.schemas import ABOUT

PUBLIC, ADMIN = json.loads(public_document()), json.loads(admin_document())
REFUSALS = ["400", "401", "403", "404", "413"]
EXAMPLES = 60
"""Requests of each operation, in each of the two modes."""


def operations(document: dict) -> list[tuple[str, str]]:
    return [(method, path) for path, about in document["paths"].items() for method in about if method != "parameters"]


async def sturdy(asked) -> web.StreamResponse:
    """Answers whatever is asked, for the model is not what is tested."""
    plain = {"model": asked.model, "messages": [{"role": "user"}], "stream_options": {"include_usage": True}}
    asked.body = plain | {"logprobs": asked.body.get("logprobs") is True, "stream": asked.body.get("stream")}
    if asked.body["stream"]:
        return await streamed(asked, chunks(asked))
    return web.json_response(completion(asked))


def test_both_listeners_serve_their_own_without_a_key(guarded):
    gateway = guarded.gateway
    assert json.loads(gateway.get(f"{gateway.url}/openapi.json", key=None)) == PUBLIC
    assert json.loads(gateway.get(f"{gateway.admin}/openapi.json", key=None)) == ADMIN


def test_the_headers_of_an_answer_are_those_documented(guarded):
    body = json.dumps({"model": "auto:intent", "messages": [{"role": "user", "content": "x"}]}).encode()
    bearer = {"authorization": f"Bearer {guarded.secret}"}
    asked = urllib.request.Request(f"{guarded.gateway.base_url}/chat/completions", body, bearer)
    with urllib.request.urlopen(asked, timeout=10) as response:
        named = {name.lower() for name in response.headers}
    assert {name for name in named if name.startswith("x-")} == set(ABOUT)


def examples(document: dict, method: str, path: str, mode: str):
    """A strategy of requests that the document allows (`positive`), or does not (`negative`).

    The seed is fixed. Some values come from constants in modules that are imported by then, so which requests these are
    depends on the code and on what else runs in the process, and on nothing else.
    """
    schemathesis = pytest.importorskip("schemathesis")
    config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
    operation = schemathesis.openapi.from_dict(document, config=config)[path][method.upper()]
    return operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))


def every_operation():
    for listener, document in (("public", PUBLIC), ("admin", ADMIN)):
        for method, path in operations(document):
            yield listener, method, path, "positive"
            if "requestBody" in document["paths"][path][method]:
                yield listener, method, path, "negative"


@pytest.mark.slow
@pytest.mark.parametrize(("listener", "method", "path", "mode"), list(every_operation()))
def test_the_server_does_what_the_document_says(guarded, stub, listener, method, path, mode):
    stub.behaviours |= {f"{tier}-model": sturdy for tier in running.TIERS}
    document, url, key = {
        "public": (PUBLIC, guarded.gateway.url, guarded.secret),
        "admin": (ADMIN, guarded.gateway.admin, running.ADMIN_KEY),
    }[listener]
    chats = path == "/v1/chat/completions"
    seen: Counter[tuple[int, bool]] = Counter()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=examples(document, method, path, mode))
    def ask(case) -> None:
        if chats and mode == "positive":
            case.body["model"] = "auto:intent"
            case.headers.pop("x-routenlp-task", None)
            if sum(seen.values()) % 4 == 3:
                case.body["stream"] = True  # however few of the requests that are drawn ask for one
        response = case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=10)
        assert guarded.quoted(response.content) == guarded.quoted(response.headers) == []
        seen[response.status_code, response.content.startswith(b"data:")] += 1
        stub.asked.clear()

    ask()
    if mode == "negative":
        assert seen[400, False] > EXAMPLES / 3, seen
    elif chats:
        assert seen[200, False] > EXAMPLES / 4
        assert seen[200, True] > 3, "streams too"
    guarded.assert_kept_to_itself()
