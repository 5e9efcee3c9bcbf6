"""The shared transformer encoder in torch: BERT by its published tensors, as functions over a dictionary of them.

The same arithmetic as the graph of `training.minilm_graph`, which serves the tensors once they are trained: erf-GELU,
LayerNorm after each residual, and a token table rounded to float16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - its usual name

from routenlp.errors import CorruptData, SettingsError

LAYERS = 6
HEADS = 12
_EPSILON = 1e-12
_WORDS = "embeddings.word_embeddings.weight"

Tensors = Mapping[str, torch.Tensor]


def load(published: Mapping[str, NDArray[Any]], trained_layers: int) -> dict[str, torch.Tensor]:
    """Tensors by their published names, float32; those of the last `trained_layers` layers are to be trained.

    Raises `SettingsError` for more layers than there are, `CorruptData` where the first tensor is absent.
    """
    if not 0 <= trained_layers <= LAYERS:
        raise SettingsError("trained_layers", f"is {trained_layers}", f"Give 0 to {LAYERS}")
    if _WORDS not in published:
        raise CorruptData("encoder weights", f"have no tensor {_WORDS!r}", "Fetch them again")
    tensors = {
        name: torch.tensor(np.asarray(value), dtype=torch.float32)
        for name, value in published.items()
        if name.startswith(("embeddings.", "encoder.")) and np.issubdtype(value.dtype, np.floating)
    }
    tensors[_WORDS] = tensors[_WORDS].half().float()
    for layer in range(LAYERS - trained_layers, LAYERS):
        for name in _of_layer(tensors, layer):
            tensors[name].requires_grad_()
    return tensors


def _of_layer(tensors: Tensors, layer: int) -> list[str]:
    return [name for name in tensors if name.startswith(f"encoder.layer.{layer}.")]


def cls_vectors(tensors: Tensors, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """The last layer's vector of the first token, (b, width), of rows of token ids; shorter rows are padded, and
    padding is masked, so a row's vector does not depend on its neighbours but for rounding."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    padding = torch.arange(longest)[None, :] >= lengths[:, None]
    x = tensors[_WORDS][ids] + (
        tensors["embeddings.position_embeddings.weight"][:longest]
        + tensors["embeddings.token_type_embeddings.weight"][0]
    )
    x = _norm(tensors, "embeddings", x)
    for layer in range(LAYERS):
        x = _layer(tensors, f"encoder.layer.{layer}", x, padding)
    return x[:, 0]


def _layer(tensors: Tensors, prefix: str, x: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
    batch, length, width = x.shape
    query, key, value = (
        _dense(tensors, f"{prefix}.attention.self.{part}", x).view(batch, length, HEADS, -1).transpose(1, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(2, 3) / math.sqrt(width / HEADS)
    scores = scores.masked_fill(padding[:, None, None, :], -torch.inf)
    attended = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(batch, length, width)
    x = _norm(tensors, f"{prefix}.attention.output", x + _dense(tensors, f"{prefix}.attention.output.dense", attended))
    wide = F.gelu(_dense(tensors, f"{prefix}.intermediate.dense", x))
    return _norm(tensors, f"{prefix}.output", x + _dense(tensors, f"{prefix}.output.dense", wide))


def _dense(tensors: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _norm(tensors: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    scale, shift = tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]
    return F.layer_norm(x, (x.shape[-1],), scale, shift, _EPSILON)
