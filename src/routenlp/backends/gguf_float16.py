"""Writes a GGUF file like another one with other weights: matrices in float16, vectors in float32.

Metadata stays byte for byte, but for the type that the file says it is of. Format: ggml's docs/gguf.md.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from routenlp.backends.gguf import FILE_TYPE, MAGIC, Gguf
from routenlp.errors import ArtefactError
from routenlp.types import Vectors

VERSION = 3
_FLOAT32, _FLOAT16 = 0, 1
"""Types of a tensor."""
_MOSTLY_FLOAT16 = 1
"""Type of a file."""
_DTYPE = {_FLOAT32: "<f4", _FLOAT16: "<f2"}


def write_float16(like: Gguf, weights: Callable[[str], Vectors], path: Path) -> None:
    """`weights` gives a tensor by its name, in the shape that `like` has it; one is held at a time.

    The file is whole under its name, or is not there. Raises `ArtefactError` where `path` exists, or for a weight that
    float16 cannot hold.
    """
    if path.exists():
        raise ArtefactError(str(path), "exists already", "Weights that may be serving never change: choose a new name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_head(like))
            _pad(file, like.alignment)
            for tensor in like.names:
                file.write(_bytes(tensor, weights(tensor), like.shape(tensor)))
                _pad(file, like.alignment)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _head(like: Gguf) -> bytes:
    infos, offset = [], 0
    for name in like.names:
        shape, kind, raw = like.shape(name), _kind(like.shape(name)), name.encode()
        axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        infos.append(struct.pack("<Q", len(raw)) + raw + axes + struct.pack("<IQ", kind, offset))
        size = int(np.prod(shape)) * np.dtype(_DTYPE[kind]).itemsize
        offset += size + -size % like.alignment
    counts = struct.pack("<IQQ", VERSION, len(like.names), len(like.about))
    return b"".join([MAGIC, counts, _metadata(like), *infos])


def _metadata(like: Gguf) -> bytes:
    changed = bytearray(like.metadata)
    if FILE_TYPE in like.value_at:
        struct.pack_into("<I", changed, like.value_at[FILE_TYPE], _MOSTLY_FLOAT16)
    return bytes(changed)


def _kind(shape: tuple[int, ...]) -> int:
    return _FLOAT16 if len(shape) > 1 else _FLOAT32


def _bytes(name: str, weights: Vectors, shape: tuple[int, ...]) -> bytes:
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(weights.reshape(shape), dtype=_DTYPE[_kind(shape)])
    if not np.isfinite(stored).all():
        raise ArtefactError(f"tensor {name}", "has a weight that float16 cannot hold", "Tune at a lower learning rate.")
    return stored.tobytes()


def _pad(file: BinaryIO, alignment: int) -> None:
    file.write(b"\0" * (-file.tell() % alignment))
