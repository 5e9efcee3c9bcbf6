"""Writes small GGUF files for tests."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(of: Any) -> bytes:
    if isinstance(of, bool):
        return struct.pack("<IB", 7, of)
    if isinstance(of, int):
        return struct.pack("<II", 4, of)
    if isinstance(of, float):
        return struct.pack("<If", 6, of)
    if isinstance(of, str):
        return struct.pack("<I", 8) + text(of)
    inner = [value(item) for item in of]
    return struct.pack("<I", 9) + inner[0][:4] + struct.pack("<Q", len(inner)) + b"".join(part[4:] for part in inner)


def write_gguf(path: Path, about: dict[str, Any], tensors: dict[str, tuple[tuple[int, ...], int, bytes]]) -> Path:
    """`tensors`: shape in numpy's order, GGUF's type, bytes."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about))
    head += b"".join(text(key) + value(of) for key, of in about.items())
    offset, body = 0, b""
    for name, (shape, kind, raw) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", kind, offset)
        body += raw + b"\0" * (-len(raw) % 32)
        offset = len(body)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + body)
    return path


def plain(array: np.ndarray) -> tuple[tuple[int, ...], int, bytes]:
    """As float32."""
    return array.shape, 0, np.ascontiguousarray(array, dtype="<f4").tobytes()
