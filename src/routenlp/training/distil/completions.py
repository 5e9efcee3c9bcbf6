"""Fits a language model to completions: cross-entropy on the answers' tokens alone, by AdamW in plain torch.

Only the positions that are learned get logits, which for a small model with a large vocabulary is most of the memory
and much of the time; prompts are padded on the right, where a causal model never looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from routenlp.errors import TrainingError

MOST_GRADIENT = 1.0
"""Norm at which gradients are clipped."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One conversation in tokens."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    """With what ends it. This alone is learned."""

    def cut(self, most: int) -> Completion:
        """At its end, to so many tokens."""
        return Completion(self.prompt[:most], self.answer[: max(most - len(self.prompt), 0)])


@dataclass(frozen=True, slots=True)
class Descent:
    """How weights are moved: the rate falls in a line to zero."""

    epochs: float
    learning_rate: float
    batch: int
    seed: int


def fit_completions(model: Any, rows: Sequence[Completion], descent: Descent) -> float:
    """Trains what in `model` wants a gradient; the mean loss over all steps.

    `model`: a causal language model whose logits are its output embedding's products. On a card in bfloat16, with
    weights kept in float32. Same rows, settings and kind of machine: the same weights. Raises `TrainingError` where no
    row has anything to learn.
    """
    import torch

    learned = [row for row in rows if row.prompt and row.answer]
    if not learned:
        raise TrainingError("lessons", "have no token to learn", "Raise most_tokens: prompts alone are as long.")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    on_card = model.device.type == "cuda"
    optimiser = torch.optim.AdamW(weights, lr=descent.learning_rate, weight_decay=0.0, fused=on_card)
    batches = list(_batches(len(learned), descent))
    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 - step / len(batches))
    model.train()
    total = torch.zeros((), device=model.device)
    for batch in batches:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=on_card):
            loss = _loss(model, [learned[i] for i in batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, MOST_GRADIENT)
        optimiser.step()
        falling.step()
        optimiser.zero_grad(set_to_none=True)
        total += loss.detach()
    model.eval()
    return float(total) / len(batches)


def _batches(count: int, descent: Descent) -> Iterator[list[int]]:
    """Positions, in a new order each epoch; a part of an epoch has a part of its batches."""
    import torch

    drawn = torch.Generator().manual_seed(descent.seed)
    per_epoch = -(-count // descent.batch)
    left = max(round(descent.epochs * per_epoch), 1)
    while left > 0:
        order = torch.randperm(count, generator=drawn).tolist()
        for start in range(0, count, descent.batch)[:left]:
            yield order[start : start + descent.batch]
        left -= per_epoch


def _loss(model: Any, rows: Sequence[Completion]) -> Any:
    """Mean cross-entropy over the answers' tokens."""
    import torch

    whole = [[*row.prompt, *row.answer] for row in rows]
    longest = max(map(len, whole))
    ids = torch.tensor([[*tokens, *[0] * (longest - len(tokens))] for tokens in whole], device=model.device)
    at = [(i, p) for i, row in enumerate(rows) for p in range(len(row.prompt) - 1, len(whole[i]) - 1)]
    row, place = torch.tensor(at, device=model.device).T
    hidden = getattr(model, model.base_model_prefix)(input_ids=ids, use_cache=False).last_hidden_state[row, place]
    logits = model.get_output_embeddings()(hidden).float()
    return torch.nn.functional.cross_entropy(logits, ids[row, place + 1])
