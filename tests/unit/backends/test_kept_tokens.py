"""What is kept of an answer's tokens: small, near enough, and nothing where it is not the answer's."""

from __future__ import annotations

import json
import math

import pytest

from routenlp.backends.generations import STEPS
from routenlp.backends.kept_tokens import MOST, packed, unpacked
from routenlp.backends.openai_compatible import completion


def test_what_is_kept_says_what_each_prefix_is():
    text = "So, é!"
    found = unpacked(packed(text, [0.25, 0.123456, 1.0, 0.0], [2, 2, 1, 2]), text)
    assert found.probs == pytest.approx((0.25, 0.123456, 1.0, 0.0), abs=0.5 / STEPS)
    assert [found.text_after(text, n) for n in range(5)] == ["", "So", "So, ", "So, ", "So, é!"]
    assert found.count == 4


def test_of_a_long_answer_its_first_tokens_are_kept():
    text = "ab" * (MOST + 5)
    kept = packed(text, [0.5] * (MOST + 5), [2] * (MOST + 5))
    assert len(kept) < 4.1 * MOST
    found = unpacked(kept, text)
    assert (len(found.probs), found.count) == (MOST, MOST + 5)
    assert found.text_after(text, MOST) == "ab" * MOST


@pytest.mark.parametrize(
    ("probs", "sizes"),
    [
        ([], []),
        ([0.5], [2]),
        ([0.5, 0.5], [3]),
        ([math.nan], [3]),
        ([1.5], [3]),
    ],
)
def test_tokens_that_are_not_the_answers_are_not_kept(probs, sizes):
    assert packed("abc", probs, sizes) is None
    assert packed("a" * 300, [0.5], [300]) is None


@pytest.mark.parametrize(
    "kept", [None, 7, "", "!", "AAAA", packed("abcd", [0.5], [4]), packed("ab", [0.5] * 2, [1, 1])]
)
def test_what_is_not_of_this_text_is_unknown(kept):
    assert unpacked(kept, "abc") is None


def body(content, **message):
    choice = {"message": {"role": "assistant", "content": "é", **message}, "logprobs": content}
    return json.dumps({"id": "1", "choices": [choice]}).encode()


def token(said, logprob, given=None):
    return {"token": said, "logprob": logprob, "bytes": given}


def test_half_characters_and_the_end_of_a_text_are_read_from_a_whole_answer():
    content = {"content": [token("", -0.1, [0xC3]), token("", 0.2, [0xA9]), token("", -3.0)]}
    probs, sizes = completion.read_tokens(body(content))
    assert (probs, sizes) == (pytest.approx([math.exp(-0.1), 1.0]), [1, 1])
    assert packed("é", probs, sizes) is not None


@pytest.mark.parametrize("content", [None, {"content": None}, {"content": "x"}, 3])
def test_without_probabilities_nothing_is_kept(content):
    found = completion.read_tokens(body(content))
    assert found is None or packed("é", *found) is None
    assert completion.read_tokens(b"no JSON") is None
