"""A stream's events and a whole completion are two forms of one answer."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.openai_compatible.completion import Usage, read
from routenlp.backends.openai_compatible.events import as_events
from routenlp.backends.openai_compatible.joined import joined

USAGE = Usage(7, 5)


def body(text, *, logprobs=None, finish="stop"):
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    head = {"id": "c", "created": 1, "model": "m", "object": "chat.completion"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


@given(text=st.text(st.characters(codec="utf-8"), max_size=30), finish=st.sampled_from(["stop", "length"]))
def test_events_joined_are_the_completion_that_they_were(text, finish):
    token = {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}
    whole = body(text, logprobs={"content": [token], "refusal": None}, finish=finish)
    assert json.loads(joined(as_events(whole, show_usage=True), USAGE)) == json.loads(whole)


def test_pieces_are_put_together_and_logprobs_that_are_not_there_are_null():
    chunk = '{"id": "c", "choices": [{"delta": {"content": "%s"}}]}'
    events = "".join(f"data: {chunk % piece}\n\n" for piece in ("a", "b")).encode() + b"data: [DONE]\n\n"
    found = json.loads(joined(events, USAGE))
    assert found["choices"][0]["message"]["content"] == "ab"
    assert found["choices"][0]["logprobs"] is None
    assert read(joined(events, USAGE)).usage.output_tokens == 5


def test_nothing_joined_says_nothing():
    assert json.loads(joined(b"data: [DONE]\n\n", USAGE))["choices"][0]["message"]["content"] == ""
