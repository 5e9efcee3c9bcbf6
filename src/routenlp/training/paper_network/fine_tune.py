"""Trains the encoder with the heads, from texts' token ids: minutes to hours on a processor, by layers and rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.paper_network import PaperNetwork
from routenlp.training.paper_network.fit import need_torch, rows_with_labels, scaling
from routenlp.training.paper_network.labels import Goals, first_bias, make_labels
from routenlp.training.paper_network.settings import PaperNetworkSettings
from routenlp.types import FloatArray, Vectors

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, float], None]
"""Told (epochs done, mean training loss) after each."""

_CHUNK = 64


@dataclass(frozen=True, slots=True, eq=False)
class FineTuned:
    """The network, and the encoder's tensors by their published names, float32, for `export.encoder_parts`.

    It has no held-out estimates, which would take five trainings: fit a stack on rows that this one has not seen.
    """

    model: PaperNetwork
    tensors: Mapping[str, NDArray[np.float32]]
    losses: tuple[float, ...]
    """Mean training loss of each epoch."""


def fine_tune(
    published: Mapping[str, NDArray[Any]],
    ids: Sequence[Sequence[int]],
    task: NDArray[np.int64],
    targets: FloatArray,
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
    settings: PaperNetworkSettings,
    goals: Goals | None = None,
    pairs: PreferencePairs | None = None,
    progress: Progress = lambda _epoch, _loss: None,
) -> FineTuned:
    """Heads and the last `settings.trained_layers` layers, for `settings.epochs` epochs, all of them.

    `published`: the encoder's tensors (all-MiniLM-L6-v2's, or any BERT of 6 layers and 12 heads). `ids`: token ids of
    each row (`backends.encoders.cls_token.token_ids`). Else as `fit_paper_network`. Same arguments, same bytes.
    """
    need_torch()
    from routenlp.training.paper_network import bert, heads
    from routenlp.training.paper_network.descent import descend, repeatable
    from routenlp.training.paper_network.loss import Loss

    labels = make_labels(targets, task, pairs, goals or Goals(), settings)
    told = rows_with_labels(labels)
    if len(told) == 0 or len(ids) != len(task):
        problem = f"has {len(told)} rows with labels and {len(ids)} texts for {len(task)} rows"
        raise TrainingError("paper network", problem, "Give labels, and a text for each row")
    with repeatable():
        tensors = bert.load(published, settings.trained_layers)
        centre, scale = scaling(_encode(tensors, [ids[i] for i in told]))
        found = heads.new_heads(len(centre), tasks, first_bias(labels, told, settings), settings, seed)
        forward = _forward(tensors, found, ids, task, (centre, scale))
        moved = [tensor for tensor in tensors.values() if tensor.requires_grad]
        encoder = {"params": moved, "lr": settings.encoder_rate, "weight_decay": 0.01}
        groups = heads.groups(found, settings) + ([encoder] if moved else [])
        losses = []
        loss = Loss.of(labels, settings)
        for value in descend(forward, groups, loss, told, settings, epochs=settings.epochs, seed=seed):
            losses.append(value)
            progress(len(losses), value)
    seen = np.isin(np.arange(tasks), task[told])
    model = heads.to_network(found, centre, scale, seen, (low, high), graded=settings.graded)
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    return FineTuned(model, arrays, tuple(losses))


def _encode(tensors: Mapping[str, torch.Tensor], ids: Sequence[Sequence[int]]) -> Vectors:
    """[CLS] vectors (n, width), alike lengths together."""
    import torch

    from routenlp.training.paper_network import bert

    order = np.argsort([len(row) for row in ids], kind="stable")
    out: list[Vectors] = [np.zeros(0, dtype=np.float32)] * len(ids)
    with torch.no_grad():
        for start in range(0, len(order), _CHUNK):
            at = order[start : start + _CHUNK]
            for row, vector in zip(at, bert.cls_vectors(tensors, [ids[i] for i in at]).numpy(), strict=True):
                out[row] = vector
    return np.stack(out)


def _forward(
    tensors: Mapping[str, torch.Tensor],
    found: Mapping[str, torch.Tensor],
    ids: Sequence[Sequence[int]],
    task: NDArray[np.int64],
    scaling: tuple[Vectors, Vectors],
) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    from routenlp.training.paper_network import bert, heads

    centre, scale = (torch.tensor(array) for array in scaling)
    tasks = torch.tensor(task)

    def forward(at: torch.Tensor) -> torch.Tensor:
        vectors = bert.cls_vectors(tensors, [ids[i] for i in at.tolist()])
        return heads.logits(found, (vectors - centre) / scale, tasks[at])

    return forward
