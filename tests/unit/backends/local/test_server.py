"""A real model in a child process: up, asked, killed, started again, ended; and files that are no model."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace

import pytest

from routenlp.backends.local.server import LocalModel, LocalServer
from routenlp.backends.openai_compatible.completion import read
from routenlp.errors import CorruptData, MissingData, SettingsError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(smollm2):
    return LocalModel("smol", smollm2, context=512, slots=1, threads=1, most_tokens=24)


@pytest.fixture(scope="module")
def server(model):
    server = LocalServer(model)
    yield server
    server.close()


def call(server, path, body=None, key=None):
    request = urllib.request.Request(
        server.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {key or server.key}"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.loads(reply.read())


def ask(server, text="Say hello.", **fields):
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}
    return call(server, "/chat/completions", body)


def running(process_id):
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process_id, 0)
        return True
    return False


def until(holds, within_s=90.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_it_answers_with_probabilities_of_its_tokens(server):
    found = ask(server, logprobs=True)
    tokens = found["choices"][0]["logprobs"]["content"]
    assert found["usage"]["completion_tokens"] >= len(tokens) > 0
    assert all(token["logprob"] <= 0.0 for token in tokens)


def test_an_answer_without_a_bound_ends_all_the_same(server):
    found = ask(server, "Repeat the word yes for ever: yes yes yes yes yes yes")
    assert found["usage"]["completion_tokens"] <= 24


def forced(server, grammar, **fields):
    """What we read of an answer that can only be this."""
    return read(json.dumps(ask(server, "Say it.", grammar=f"root ::= {grammar}", logprobs=True, **fields)).encode())


def test_an_empty_answer_is_known_as_one(server):
    found = forced(server, '""')
    assert (found.text, found.empty, found.token_probs) == ("", True, None)


def test_an_answer_in_another_language_is_read_as_it_is(server):
    found = forced(server, '"Ich weiß es nicht."')
    assert found.text == "Ich weiß es nicht."
    assert all(0.0 <= p <= 1.0 for p in found.token_probs)


def test_characters_of_several_tokens_are_whole_and_half_a_one_breaks_nothing(server):
    found = forced(server, '"😀🚀é"')
    assert found.text == "😀🚀é"
    assert found.usage.output_tokens > len(found.token_probs) > 0
    half = forced(server, '"😀"', max_tokens=1)
    assert half.text.encode("utf-8") is not None
    assert half.usage.output_tokens == 1


def test_without_log_probabilities_there_are_none(server):
    assert read(json.dumps(ask(server)).encode()).token_probs is None


def test_strangers_on_the_machine_are_not_answered(server):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(server, "/chat/completions", {"messages": []}, key="guess")


def test_a_query_that_is_too_long_is_refused(server):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(server, "word " * 2_000)


def test_a_killed_model_is_started_again_at_the_same_address(server):
    before, url = server.process_id, server.url
    os.kill(before, signal.SIGKILL)
    assert until(lambda: server.process_id != before and server.up)
    assert server.url == url
    assert server.restarts >= 1
    assert ask(server)["choices"]


def test_a_model_that_nobody_holds_is_ended(model):
    server = LocalServer(model)
    child = server.process_id
    assert running(child)
    del server
    gc.collect()
    assert until(lambda: not running(child), within_s=10.0)


def test_the_end_is_the_end(model):
    server = LocalServer(model)
    child = server.process_id
    server.close()
    server.close()
    assert not running(child)
    assert not server.up


def test_a_truncated_file_says_so(model, smollm2, tmp_path):
    part = tmp_path / "part.gguf"
    part.write_bytes(smollm2.read_bytes()[:1_000_000])
    with pytest.raises(CorruptData, match=r"part\.gguf"):
        LocalServer(replace(model, weights=part))


def test_a_port_in_use_says_so(model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="in use"):
            LocalServer(replace(model, port=taken.getsockname()[1]))


def test_what_is_no_model_is_not_started(model, tmp_path):
    other = tmp_path / "notes.gguf"
    other.write_text("no weights")
    with pytest.raises(CorruptData, match="no GGUF"):
        LocalServer(replace(model, weights=other))
    with pytest.raises(MissingData, match="cannot be read"):
        LocalServer(replace(model, weights=tmp_path / "nowhere.gguf"))
