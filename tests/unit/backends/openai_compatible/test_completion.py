"""Completions are read leniently, and what cannot be is none."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.openai_compatible.body import Wanted, upstream_body
from routenlp.backends.openai_compatible.completion import Usage, read, read_usage, without_logprobs
from routenlp.portfolio.prices import Cached, Price


def completion(message: dict, **more) -> bytes:
    return json.dumps({"id": "c", "choices": [{"index": 0, "message": message, **more}]}).encode()


def test_what_was_said_and_how_sure():
    logprobs = {"content": [{"token": "a", "logprob": math.log(0.5)}, {"token": "b", "logprob": 1e-9}]}
    found = read(completion({"content": "ab"}, logprobs=logprobs))
    assert (found.text, found.empty) == ("ab", False)
    assert found.token_probs == pytest.approx((0.5, 1.0))


def test_a_token_that_only_ends_the_text_is_none_but_half_a_character_is_one():
    half, end = {"token": "", "bytes": [240, 159], "logprob": 0.0}, {"token": "", "bytes": [], "logprob": -9.0}
    for last in (end, {"token": "", "logprob": -9.0}):
        assert read(completion({"content": "a"}, logprobs={"content": [half, last]})).token_probs == (1.0,)


def test_half_a_character_is_a_token_and_the_end_of_text_is_none():
    tokens = [
        {"token": "", "bytes": [240, 159], "logprob": -1.0},
        {"token": "", "bytes": [152, 128], "logprob": -2.0},
        {"token": "", "bytes": [], "logprob": -9.0},
    ]
    found = read(completion({"content": "\N{GRINNING FACE}"}, logprobs={"content": tokens}))
    assert found.token_probs == pytest.approx((math.exp(-1.0), math.exp(-2.0)))


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": "odd"}, 7])
def test_without_usable_logprobs_there_is_no_probability(logprobs):
    assert read(completion({"content": "ab"}, logprobs=logprobs)).token_probs is None


@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, {}, {"content": None, "tool_calls": []}])
def test_an_answer_that_says_nothing_is_empty(message):
    assert read(completion(message)).empty


def test_refusals_and_tool_calls_are_answers():
    assert not read(completion({"content": None, "refusal": "no"})).empty
    found = read(completion({"content": None, "tool_calls": [{"id": "call_1", "function": {}}]}))
    assert (found.empty, found.tool_call_ids) == (False, ("call_1",))


@given(st.binary(max_size=60))
def test_garbage_is_no_completion(data):
    assert read(data) is None


@pytest.mark.parametrize("data", [b"{}", b'{"choices": []}', b'{"choices": {}}', b"[" * 9999, b'{"choices": [7]}'])
def test_other_json_is_no_completion(data):
    assert read(data) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (b'{"prompt_tokens": 3, "completion_tokens": 0, "more": {}}', Usage(3, 0)),
        (b"null", None),
        (b'{"prompt_tokens": -3, "completion_tokens": 1}', None),
        (b'{"prompt_tokens": 1e30, "completion_tokens": 1}', None),
        (b'{"prompt_tokens": "3", "completion_tokens": 1}', None),
    ],
)
def test_usage_that_cannot_be_is_none(usage, expected):
    assert read_usage(msgspec.Raw(usage)) == expected


def test_logprobs_are_taken_out_and_nothing_else():
    body = completion({"content": "é"}, logprobs={"content": []}, extra=1.50)
    assert json.loads(without_logprobs(body)) == json.loads(body.replace(b'{"content": []}', b"null"))


def test_the_body_differs_only_where_it_must():
    fields = msgspec.json.decode(b'{"model":"auto","x":1.50,"stream":true}', type=dict[str, msgspec.Raw])
    assert upstream_body(fields, "m", Wanted(stream=False, logprobs=True)) == (
        b'{"model":"m","x":1.50,"stream":false,"logprobs":true}'
    )
    assert upstream_body(fields, "m", Wanted(stream=True)) == (
        b'{"model":"m","x":1.50,"stream":true,"stream_options":{"include_usage":true}}'
    )


def test_cached_tokens_are_read_as_part_of_the_input():
    usage = {"prompt_tokens": 100, "completion_tokens": 5}
    details = {"cached_tokens": 60, "cache_write_tokens": 30, "cache_write_1h_tokens": None, "audio_tokens": 0}
    found = read_usage(msgspec.Raw(json.dumps({**usage, "prompt_tokens_details": details}).encode()))
    assert found.cached == Cached(read=60, write=30)
    assert found.cost_usd(Price(1.0, 2.0, 0.1, 1.25)) == pytest.approx((10 + 6 + 37.5 + 10) / 1e6)


@pytest.mark.parametrize(
    "details", [None, {}, [], {"cached_tokens": "many"}, {"cached_tokens": -1}, {"cached_tokens": 101}]
)
def test_cached_tokens_that_cannot_be_cost_what_fresh_ones_do(details):
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": details}
    found = read_usage(msgspec.Raw(json.dumps(usage).encode()))
    assert found.cost_usd(Price(1.0, 2.0, 0.1)) == pytest.approx(110 / 1e6)
