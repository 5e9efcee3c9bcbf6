"""Log-probabilities read from a stream as it passes, in whatever pieces it comes."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.openai_compatible.scored_events import ScoredMeter


def token(said, p=0.5, **more):
    return {"token": said, "logprob": math.log(p), "bytes": list(said.encode())} | more


def event(content=None, tokens=None, **more):
    choice = {"index": 0, "delta": {} if content is None else {"content": content}}
    choice["logprobs"] = None if tokens is None else {"content": tokens}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **more}).encode() + b"\n\n"


def meter(**more):
    return ScoredMeter(**{"show_usage": True, "show_logprobs": False, **more})


def words(n):
    return b"".join(event(f"w{i} ", [token(f"w{i} ", (i + 1) / 10)]) for i in range(n))


def test_it_collects_text_and_probability_of_every_prefix():
    one = meter()
    one.feed(words(3))
    assert [(text, pytest.approx(probs)) for text, probs in one.prefixes(1)] == [
        ("w0 w1 ", (0.1, 0.2)),
        ("w0 w1 w2 ", (0.1, 0.2, 0.3)),
    ]


@given(cuts=st.lists(st.integers(0, 900), max_size=6))
def test_how_the_network_cuts_it_makes_no_difference(cuts):
    data = words(4) + b"data: [DONE]\n\n"
    whole, cut = meter(), meter()
    shown = whole.feed(data)
    at = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    assert b"".join(cut.feed(data[a:b]) for a, b in itertools.pairwise(at)) == shown
    assert list(cut.prefixes(0)) == list(whole.prefixes(0))
    assert cut.done


def test_logprobs_are_taken_out_of_events_unless_the_client_asked():
    data = event("a", [token("a")], x_unknown=1)
    shown = json.loads(meter().feed(data)[6:])
    assert shown["choices"][0] == {"index": 0, "delta": {"content": "a"}, "logprobs": None}
    assert shown["x_unknown"] == 1
    assert meter(show_logprobs=True).feed(data) == data


def test_words_without_a_probability_end_what_can_be_scored():
    one = meter()
    one.feed(words(2) + event("unscored ") + words(1))
    assert len(list(one.prefixes(0))) == 2
    assert len(one.token_probs) == 3


@pytest.mark.parametrize("odd", [{"content": "none"}, [], 7, {"content": [{"token": "a"}]}])
def test_logprobs_that_cannot_be_read_are_none(odd):
    one = meter()
    one.feed(event("a", None).replace(b'"logprobs": null', b'"logprobs": ' + json.dumps(odd).encode()))
    assert list(one.prefixes(0)) == []
    assert one.text == ["a"]


def test_an_end_of_text_token_is_none_and_half_a_character_is_one():
    one = meter()
    first, second = "é".encode()[:1], "é".encode()[1:]
    one.feed(event("", [token("", bytes=list(first))]) + event("é", [token("", bytes=list(second))]))
    one.feed(event("", [token("", bytes=[])]))
    assert [text for text, _ in one.prefixes(0)] == ["", "é"]


def test_several_tokens_in_one_event_are_several_prefixes():
    one = meter()
    one.feed(event("ab", [token("a"), token("b")]))
    assert [text for text, _ in one.prefixes(0)] == ["a", "ab"]
