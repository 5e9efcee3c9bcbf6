"""The loop that fits completions: its loss is transformers' own, and it learns what it is shown."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from routenlp.errors import TrainingError  # noqa: E402
from routenlp.training.distil.completions import Completion, Descent, _batches, _loss, fit_completions  # noqa: E402

ROWS = [Completion((5, 6, 7, 8), (9, 10)), Completion((11, 12), (13, 14, 15)), Completion((3,), (4,))]


def model():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=31, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2
    )
    return transformers.LlamaForCausalLM(config)


def test_the_loss_is_that_of_transformers_on_the_answers_alone():
    small, width = model(), max(len(row.prompt) + len(row.answer) for row in ROWS)
    ids, labels = torch.zeros(3, width, dtype=torch.long), torch.full((3, width), -100)
    for i, row in enumerate(ROWS):
        whole = torch.tensor([*row.prompt, *row.answer])
        ids[i, : len(whole)] = whole
        labels[i, len(row.prompt) : len(whole)] = whole[len(row.prompt) :]
    with torch.inference_mode():
        assert float(_loss(small, ROWS)) == pytest.approx(float(small(input_ids=ids, labels=labels).loss), abs=1e-5)


def test_it_learns_and_the_same_seed_gives_the_same_weights():
    descent = Descent(epochs=40, learning_rate=1e-2, batch=2, seed=3)
    first, second = model(), model()
    assert fit_completions(first, ROWS, descent) == fit_completions(second, ROWS, descent)
    assert not first.training
    with torch.inference_mode():
        assert float(_loss(first, ROWS)) < 0.1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_row_comes_once_an_epoch_and_part_of_an_epoch_has_part_of_its_batches():
    seen = [i for batch in _batches(7, Descent(2.0, 1.0, 3, 0)) for i in batch]
    assert sorted(seen) == sorted([*range(7)] * 2)
    assert len(list(_batches(12, Descent(1.5, 1.0, 3, 0)))) == 6


def test_a_conversation_is_cut_at_its_end_and_prompts_alone_teach_nothing():
    assert Completion((1, 2, 3), (4, 5)).cut(4) == Completion((1, 2, 3), (4,))
    cut = [row.cut(1) for row in ROWS[:2]]
    with pytest.raises(TrainingError, match="no token to learn"):
        fit_completions(model(), cut, Descent(1.0, 1e-3, 2, 0))
