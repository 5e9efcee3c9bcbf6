"""Batched answers with shared prompts, against transformers' own generation and a full forward pass."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.unit.training.small_llama import small_llama  # noqa: E402

from routenlp.bench.record.decoding import write_answers  # noqa: E402

END, MOST = 2, 24


@pytest.fixture(scope="module")
def model():
    return small_llama()


@pytest.fixture(scope="module")
def prompts():
    drawn = random.Random(0)
    return [[drawn.randrange(3, 258) for _ in range(size)] for size in (5, 17, 9, 30, 2, 8, 8)]


def write(model, prompts, *temperatures, seed=1):
    return write_answers(model, prompts, temperatures, end=END, most_tokens=MOST, seed=seed)


def test_the_likeliest_answer_is_that_of_transformers(model, prompts):
    for prompt, (answer, *_) in zip(prompts, write(model, prompts, 0.0, 0.7), strict=True):
        ids = torch.tensor([prompt])
        given = {"max_new_tokens": MOST, "do_sample": False, "eos_token_id": END, "pad_token_id": 0}
        found = model.generate(ids, attention_mask=torch.ones_like(ids), **given)[0, len(prompt) :].tolist()
        assert list(answer.tokens) == (found[: found.index(END)] if END in found else found)


def test_probabilities_are_those_of_a_full_pass_whatever_the_temperature(model, prompts):
    for prompt, answers in zip(prompts, write(model, prompts, 0.0, 0.7, 1.5), strict=True):
        for answer in answers:
            with torch.inference_mode():
                probs = torch.softmax(model(torch.tensor([[*prompt, *answer.tokens]])).logits[0], -1)
            expected = [float(probs[len(prompt) - 1 + i, token]) for i, token in enumerate(answer.tokens)]
            assert answer.probs == pytest.approx(expected, abs=1e-5)
            assert answer.ended == ("length" if len(answer.tokens) == MOST else "stop")


def test_the_same_seed_draws_the_same_and_another_draws_others(model, prompts):
    first = write(model, prompts, 0.7, 0.7)
    assert first == write(model, prompts, 0.7, 0.7)
    assert first != write(model, prompts, 0.7, 0.7, seed=2)
    assert any(left != right for left, right in first)


def test_draws_follow_the_softmax_at_their_temperature(model):
    heat, count = 0.8, 4_000
    (answers,) = write_answers(model, [[5, 9, 7]], [heat] * count, end=END, most_tokens=1, seed=0)
    with torch.inference_mode():
        expected = torch.softmax(model(torch.tensor([[5, 9, 7]])).logits[0, -1] / heat, -1)
    top = int(expected.argmax())
    share = sum((answer.tokens or (END,))[0] == top for answer in answers) / count
    assert share == pytest.approx(float(expected[top]), abs=4 * 0.5 / count**0.5)
