"""Reads a GGUF file: what it says of the model, and its tensors, dequantised to float32.

The types that SmolLM2's packaged weights are stored in, and plain floats. Format: ggml's docs/gguf.md.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import CorruptData, MissingData
from routenlp.types import Vectors

MAGIC = b"GGUF"
VERSIONS = (2, 3)
BLOCK = 32
"""Weights that share a scale."""
FILE_TYPE, ALIGNMENT = "general.file_type", "general.alignment"

_REMEDY = "Fetch the file again."
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9

Bytes = NDArray[np.uint8]


def dequantise_q4_1(blocks: Bytes) -> Vectors:
    """Blocks of 20 bytes, shape (n, 20): scale d and minimum m as float16, then 32 weights q d + m of 4 bits each.

    The low halves of the 16 bytes hold the first 16 weights, the high halves the rest. Shape (n, 32).
    """
    head = np.ascontiguousarray(blocks[:, :4]).view("<f2").astype(np.float32)
    quants = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1).astype(np.float32)
    return np.asarray(quants * head[:, :1] + head[:, 1:], dtype=np.float32)


def dequantise_q8_0(blocks: Bytes) -> Vectors:
    """Blocks of 34 bytes, shape (n, 34): scale d as float16, then 32 weights q d of 8 bits each. Shape (n, 32)."""
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    return np.asarray(np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32) * scale, dtype=np.float32)


_PLAIN = {0: "<f4", 1: "<f2"}
_BLOCKS = {3: (20, dequantise_q4_1), 8: (34, dequantise_q8_0)}


@dataclass(frozen=True, slots=True)
class _Place:
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """An open file's head; tensors are read when they are asked for."""

    path: Path
    about: Mapping[str, Any]
    """Metadata by key."""
    metadata: bytes
    """The same as the file has it."""
    value_at: Mapping[str, int]
    """Where each key's value begins in `metadata`, after its type."""
    _places: Mapping[str, _Place]
    _begin: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tensors, in the file's order."""
        return tuple(self._places)

    @property
    def alignment(self) -> int:
        """Tensors begin at multiples of it, in bytes."""
        return int(self.about.get(ALIGNMENT, 32))

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, in numpy's order of axes."""
        return self._places[name].shape

    def tensor(self, name: str) -> Vectors:
        """float32, in numpy's order of axes: the last one is contiguous. Raises `CorruptData` where the file ends."""
        place = self._places[name]
        weights = int(np.prod(place.shape))
        if place.kind in _PLAIN:
            raw = self._raw(name, place, weights * np.dtype(_PLAIN[place.kind]).itemsize)
            return raw.view(_PLAIN[place.kind]).astype(np.float32).reshape(place.shape)
        if place.kind not in _BLOCKS:
            problem = f"tensor {name} is of type {place.kind}"
            raise CorruptData(str(self.path), problem, "Use a file of types F32, F16, Q4_1 or Q8_0.")
        size, dequantise = _BLOCKS[place.kind]
        raw = self._raw(name, place, weights // BLOCK * size)
        return dequantise(raw.reshape(-1, size)).reshape(place.shape)

    def _raw(self, name: str, place: _Place, size: int) -> Bytes:
        with self.path.open("rb") as file:
            file.seek(self._begin + place.offset)
            raw = file.read(size)
        if len(raw) < size:
            raise CorruptData(str(self.path), f"ends within tensor {name}", _REMEDY)
        return np.frombuffer(raw, dtype=np.uint8)


def open_gguf(path: Path) -> Gguf:
    """Reads the head. Raises `MissingData` without a file, `CorruptData` for one that is no whole GGUF."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise MissingData(str(path), f"cannot be read ({exc.strerror})", "Name a GGUF file.") from exc
    if content[:4] != MAGIC:
        raise CorruptData(str(path), "is no GGUF file", _REMEDY)
    reader = _Reader(content)
    try:
        return _head(path, reader)
    except (struct.error, KeyError, UnicodeDecodeError, MemoryError) as exc:
        raise CorruptData(str(path), f"has a head that is cut or broken ({exc})", _REMEDY) from exc


def _head(path: Path, reader: _Reader) -> Gguf:
    version, tensors, keys = reader.scalar("I"), reader.scalar("Q"), reader.scalar("Q")
    if version not in VERSIONS:
        raise CorruptData(str(path), f"is GGUF version {version}", f"Versions {VERSIONS} are read.")
    about, value_at, first = {}, {}, reader.at
    for _ in range(keys):
        key, kind = reader.text(), reader.scalar("I")
        value_at[key] = reader.at - first
        about[key] = reader.value(kind)
    metadata = reader.content[first : reader.at]
    places = {}
    for _ in range(tensors):
        name, axes = reader.text(), reader.scalar("I")
        shape = tuple(reader.scalar("Q") for _ in range(axes))[::-1]
        places[name] = _Place(shape, reader.scalar("I"), reader.scalar("Q"))
    opened = Gguf(path, about, metadata, value_at, places, 0)
    return replace(opened, _begin=-(-reader.at // opened.alignment) * opened.alignment)


@dataclass(slots=True)
class _Reader:
    content: bytes
    at: int = len(MAGIC)

    def scalar(self, kind: str) -> Any:
        (found,) = struct.unpack_from("<" + kind, self.content, self.at)
        self.at += struct.calcsize("<" + kind)
        return found

    def text(self) -> str:
        size = self.scalar("Q")
        self.at += size
        if self.at > len(self.content):
            raise struct.error(f"a text of {size} bytes")
        return self.content[self.at - size : self.at].decode()

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            of, count = self.scalar("I"), self.scalar("Q")
            return [self.value(of) for _ in range(count)]
        return self.scalar(_SCALARS[kind])
