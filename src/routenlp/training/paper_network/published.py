"""The published weights that the encoder's training begins from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.weights import TOKENIZER_FILE, WEIGHTS_FILE, Source, fetch_published
from routenlp.errors import SettingsError


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """all-MiniLM-L6-v2: `tensors` by name for `fine_tune`, and its tokenizer for `cls_token` and `export`."""

    tensors: Mapping[str, NDArray[Any]]
    tokenizer_json: str


def load_published(sources: Sequence[Source], progress: Callable[[str], None] = lambda _line: None) -> Published:
    """From the first source that has the files, checked against the pinned hashes; nothing is kept on disk.

    Raises `MissingData` or `CorruptData` as `backends.weights.encoder_folder` does, `SettingsError` without the extra
    `offline`.
    """
    try:
        from safetensors.numpy import load_file
    except ImportError as exc:
        raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[offline].") from exc
    with tempfile.TemporaryDirectory(prefix="routenlp-weights-") as scratch:
        into = Path(scratch, "published")
        into.mkdir()
        fetch_published(sources, into, progress)
        tensors = {name: np.array(tensor) for name, tensor in load_file(into / WEIGHTS_FILE).items()}
        return Published(tensors, (into / TOKENIZER_FILE).read_text("utf-8"))
