"""Task embedding and heads, in torch: plain tensors by name, and functions over them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from routenlp.errors import SettingsError
from routenlp.router.paper_network import PaperNetwork
from routenlp.training.paper_network.settings import WIDTH_OF_EMBEDDING, PaperNetworkSettings
from routenlp.types import FloatArray, Vectors

Tensors = Mapping[str, torch.Tensor]
_SPREAD = 0.02
_BIAS_RATE = 10.0


def new_heads(
    width: int, tasks: int, bias: Vectors, settings: PaperNetworkSettings, seed: int
) -> dict[str, torch.Tensor]:
    """`shared` (width + e, K), which every task's head begins from; `own` (tasks, width + e, K), its departure from
    that; `common_bias` (K,), which begins at `bias`, and `bias` (tasks, K); `embedding` (tasks, e)."""
    tiers = len(bias)
    e = WIDTH_OF_EMBEDDING if settings.task_embedding else 0
    random = torch.Generator().manual_seed(seed)
    heads = {
        "embedding": _SPREAD * torch.randn((tasks, e), generator=random),
        "shared": _SPREAD * torch.randn((width + e, tiers), generator=random),
        "own": torch.zeros((tasks, width + e, tiers)),
        "common_bias": torch.tensor(bias),
        "bias": torch.zeros((tasks, tiers)),
    }
    return {name: tensor.requires_grad_() for name, tensor in heads.items()}


def logits(heads: Tensors, vectors: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
    """(b, K) of scaled vectors (b, width) and tasks (b,)."""
    x = torch.cat([vectors, heads["embedding"][task]], dim=1)
    own = torch.bmm(x[:, None, :], heads["own"][task])[:, 0]
    return x @ heads["shared"] + own + heads["common_bias"] + heads["bias"][task]


def groups(heads: Tensors, settings: PaperNetworkSettings) -> list[dict[str, object]]:
    """For AdamW: what decays, and how fast. Biases move ten times as fast: tasks differ most in their means.

    Raises `SettingsError` for decay so strong that a step would remove more than there is.
    """
    width = math.sqrt(len(heads["shared"]))
    decay = {"shared": settings.decay * width, "own": settings.own_decay * width}
    if (share := settings.rate * max(decay.values())) >= 1.0:
        remedy = f"Lower either to {1 / share:.2g} of it at most"
        raise SettingsError("decay, own_decay", f"remove {share:.2g} of a weight each step", remedy)
    return [
        {
            "params": [tensor],
            "lr": settings.rate * (_BIAS_RATE if name in ("bias", "common_bias") else 1.0),
            "weight_decay": decay.get(name, 0.0),
        }
        for name, tensor in heads.items()
        if tensor.numel()
    ]


def to_network(
    heads: Tensors,
    centre: Vectors,
    scale: Vectors,
    seen: NDArray[np.bool_],
    bounds: tuple[FloatArray, FloatArray],
    *,
    graded: bool,
) -> PaperNetwork:
    """What is served. A task without training rows (`seen`, shape (tasks,)), like an unknown one, has the shared head
    and the mean embedding of those seen."""
    arrays = {name: tensor.detach().numpy() for name, tensor in heads.items()}
    mean = arrays["embedding"][seen].mean(axis=0, dtype=np.float64).astype(np.float32)
    nothing = np.zeros_like(arrays["own"][:1])
    own = np.concatenate([np.where(seen[:, None, None], arrays["own"], 0.0), nothing])
    bias = np.concatenate([np.where(seen[:, None], arrays["bias"], 0.0), nothing[:, 0]])
    return PaperNetwork(
        centre,
        scale,
        np.concatenate([np.where(seen[:, None], arrays["embedding"], mean), mean[None]]).astype(np.float32),
        (arrays["shared"] + own).astype(np.float32),
        (arrays["common_bias"] + bias).astype(np.float32),
        *bounds,
        graded,
    )
