"""Parts inside parts: how something that is made of others is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routenlp.types import Parts

_INNER = "inner"


def joined(kind: str, meta: Mapping[str, object], inner: Mapping[str, Parts], arrays: Mapping[str, Any] = {}) -> Parts:
    """Parts of this kind, with those in `inner` inside under their names, beside arrays of its own."""
    within = {f"{name}.{key}": array for name, parts in inner.items() for key, array in parts.arrays.items()}
    described = {name: {"kind": parts.kind, "meta": parts.meta} for name, parts in inner.items()}
    return Parts(kind, {**within, **arrays}, {**meta, "parts": described})


def part_of(parts: Parts, name: str) -> Parts:
    """The parts inside under this name; raises `KeyError` where there are none."""
    described: Any = parts.meta["parts"]
    prefix = f"{name}."
    arrays = {key.removeprefix(prefix): array for key, array in parts.arrays.items() if key.startswith(prefix)}
    return Parts(described[name]["kind"], arrays, described[name]["meta"])


def wrapped(inner: Parts, kind: str, meta: Mapping[str, object]) -> Parts:
    """Parts of a wrapper of this kind, with those of what it wraps inside."""
    return joined(kind, meta, {_INNER: inner})


def unwrapped(parts: Parts) -> Parts:
    """The parts inside; raises `KeyError` where there are none."""
    return part_of(parts, _INNER)
