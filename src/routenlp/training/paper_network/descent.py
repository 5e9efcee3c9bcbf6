"""Gradient descent that gives the same bytes twice: AdamW on one thread, batches drawn by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from routenlp.training.paper_network.loss import Loss
from routenlp.training.paper_network.settings import PaperNetworkSettings

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Rows' positions (b,) to their logits (b, K)."""

_LONGEST_GRADIENT = 1.0
_STEPS = 32
_FEWEST_ROWS = 16


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread and deterministic algorithms within; torch's own settings are put back afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def descend(
    forward: Forward,
    parameters: Sequence[dict[str, Any]],
    loss: Loss,
    rows: NDArray[np.int64],
    settings: PaperNetworkSettings,
    *,
    epochs: int,
    seed: int,
) -> Iterator[float]:
    """Trains on `rows`; after every epoch its mean training loss. `parameters`: AdamW's groups.

    The rate falls to zero along a half cosine over `settings.epochs`, not over `epochs`: so a shorter training is the
    beginning of a longer one, and epochs can be counted on held-out rows.
    """
    random = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(parameters, foreach=False)
    size = min(settings.batch, max(_FEWEST_ROWS, len(rows) // _STEPS))
    steps = -(-len(rows) // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * settings.epochs)
    tensors = [tensor for group in optimiser.param_groups for tensor in group["params"]]
    among = torch.tensor(rows)
    for _ in range(epochs):
        order = torch.tensor(random.permutation(rows))
        total = 0.0
        for at in order.split(size):
            optimiser.zero_grad()
            value = loss(forward(at), at, among)
            value.backward()
            torch.nn.utils.clip_grad_norm_(tensors, _LONGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            total += float(value.detach()) * len(at)
        yield total / len(rows)
