"""A LoRA adapter as PEFT saves it: what it adds to each linear layer's weights, scale x B A (Hu et al. 2021).

Only plain LoRA is read. What PEFT can do beside it (DoRA, rank-stabilised scales, trained biases, whole modules, ranks
that differ by layer, ...) adds something else, and is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.errors import ArtefactError, MissingData
from routenlp.types import Vectors

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_ADDS_NOTHING = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "revision",
        "target_modules",
        "task_type",
    }
)
"""Settings that say how it was trained, or that are read here; any other must be off."""
_OFF = {"bias": "none"}
_STARTS = (True, False, "gaussian", "orthogonal")
"""Of `init_lora_weights`: other ones begin by changing the base."""
_TYPES = (np.float16, np.float32)
_REMEDY = "Tune plain LoRA, or merge it with PEFT and convert the whole model with llama.cpp's script."


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank changes by module, such as `model.layers.0.self_attn.q_proj`."""

    scale: float
    """alpha / rank."""
    down: Mapping[str, Vectors]
    """A, shape (rank, inputs)."""
    up: Mapping[str, Vectors]
    """B, shape (outputs, rank)."""

    def added(self, module: str, shape: tuple[int, ...]) -> Vectors | None:
        """What is added to weights of this shape; None where the adapter leaves them alone.

        Raises `ArtefactError` where it is for weights of another shape.
        """
        if module not in self.down:
            return None
        change = self.scale * (self.up[module] @ self.down[module])
        if change.shape != shape:
            problem = f"changes {module} in shape {change.shape}, and the weights have {shape}"
            raise ArtefactError("adapter", problem, "Name the weights that it was tuned on.")
        return np.asarray(change, dtype=np.float32)


def read_lora(folder: Path) -> Lora:
    """Raises `ArtefactError` for what is no plain LoRA, or cannot be read; `MissingData` without the extra `train`."""
    config = _config(folder / CONFIG)
    tensors = _tensors(folder / WEIGHTS)
    down, up = ({_module(n, end): t for n, t in tensors.items() if n.endswith(end)} for end in (_DOWN, _UP))
    others = sorted(name for name in tensors if not name.endswith((_DOWN, _UP)))
    if others or down.keys() != up.keys() or not down:
        raise ArtefactError(
            str(folder / WEIGHTS), f"is not made of pairs A, B alone ({', '.join(others[:3])})", _REMEDY
        )
    rank = int(config["r"])
    for module in down:
        if down[module].shape[:1] != (rank,) or up[module].shape[1:] != (rank,):
            raise ArtefactError(str(folder / WEIGHTS), f"has {module} of another rank than {rank}", _REMEDY)
    return Lora(float(config["lora_alpha"]) / rank, down, up)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
        plain = config["peft_type"] == "LORA" and int(config["r"]) > 0 and float(config["lora_alpha"]) > 0.0
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ArtefactError(
            str(path), f"cannot be read ({exc})", "Name an adapter's folder, as PEFT saves it."
        ) from exc
    if not plain:
        raise ArtefactError(str(path), f"is of type {config['peft_type']}", _REMEDY)
    on = {k: v for k, v in config.items() if k not in _ADDS_NOTHING and v and v != _OFF.get(k)}
    if on.pop("init_lora_weights", True) not in _STARTS:
        on["init_lora_weights"] = config["init_lora_weights"]
    if on:
        said = ", ".join(f"{name} is {value!r}" for name, value in sorted(on.items()))
        raise ArtefactError(str(path), f"is not of a plain LoRA: {said}", _REMEDY)
    return dict(config)


def _tensors(path: Path) -> dict[str, Vectors]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as exc:
        raise MissingData(str(path), "needs safetensors", "Install the extra: pip install 'routenlp[train]'") from exc
    try:
        found = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError) as exc:
        raise ArtefactError(str(path), f"cannot be read ({exc})", "Restore it, or tune it again.") from exc
    for name, tensor in found.items():
        if tensor.dtype not in _TYPES or tensor.ndim != 2:
            problem = f"has {name} as {tensor.dtype} of {tensor.ndim} axes"
            raise ArtefactError(str(path), problem, "Save its matrices as float32 or float16.")
    return {name: tensor.astype(np.float32) for name, tensor in found.items()}


def _module(name: str, end: str) -> str:
    return name.removeprefix(_PREFIX).removesuffix(end)
