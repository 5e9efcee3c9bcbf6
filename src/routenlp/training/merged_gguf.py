"""A tuned Llama model as one GGUF file, which backend `local` serves: the base's file with a LoRA adapter merged in.

The way back from `llama_folder`: what is written is the folder's model with the adapter, to the rounding of float16,
with rows of the query and key projections again in the file's order. All else in the file is as it was.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from routenlp.backends.gguf import Gguf, open_gguf
from routenlp.backends.gguf_float16 import write_float16
from routenlp.errors import ArtefactError
from routenlp.store.sealed import check, sha256_of
from routenlp.training.llama_folder import module_of, permuted, rotary_heads
from routenlp.training.lora import Lora, read_lora
from routenlp.types import Vectors


def merged_gguf(gguf: Path, adapter: Path, path: Path) -> None:
    """Writes `path`, whole or not at all, of the file that the adapter's base came of and a sealed adapter.

    `adapter`: as `LanguageModelDistiller` leaves it, tuned on the folder that `llama_folder` made of `gguf`. Raises
    `ArtefactError` for an adapter that was altered, is of another base or no plain LoRA, and where `path` exists;
    `MissingData` or `CorruptData` for weights that are not there or not whole, `MissingData` without the extra `train`.
    """
    opened = open_gguf(gguf)
    _check_origin(check(adapter), adapter, gguf)
    lora = read_lora(adapter)
    unknown = sorted(lora.down.keys() - {module_of(name) for name in opened.names})
    if unknown:
        raise ArtefactError(str(adapter), f"changes {unknown[0]}, which {gguf.name} has not", "Name its own base.")
    write_float16(opened, lambda name: _merged(opened, name, lora), path)


def _check_origin(about: dict[str, object], adapter: Path, gguf: Path) -> None:
    if about.get("kind") != "lora":
        remedy = "Tune with a rank: a whole model is not merged."
        raise ArtefactError(str(adapter), f"is of kind {about.get('kind')}, and no adapter", remedy)
    base, found = about.get("gguf_sha256"), sha256_of(gguf)
    if base is None:
        remedy = "Tune on the folder that routenlp.training.llama_folder makes of a GGUF file."
        raise ArtefactError(str(adapter), "was tuned on a model that came of no GGUF file", remedy)
    if base != found:
        problem = f"was tuned on weights of SHA-256 {base}, and {gguf.name} has {found}"
        raise ArtefactError(str(adapter), problem, "Name the weights that it was tuned on.")


def _merged(gguf: Gguf, name: str, lora: Lora) -> Vectors:
    """Rounded as the folder is before anything is added: that is what was tuned."""
    base = gguf.tensor(name).astype(np.float16).astype(np.float32)
    change, heads = lora.added(module_of(name), base.shape), rotary_heads(gguf, name)
    if change is None:
        return base
    return base + (change if heads is None else permuted(change, heads))
