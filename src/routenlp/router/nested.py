"""Parts inside parts: how something that wraps another of its kind is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routenlp.types import Parts

PREFIX = "inner."


def wrapped(inner: Parts, kind: str, meta: Mapping[str, object]) -> Parts:
    """Parts of a wrapper of this kind, with those of what it wraps inside."""
    arrays = {f"{PREFIX}{name}": array for name, array in inner.arrays.items()}
    return Parts(kind, arrays, {**meta, "inner": {"kind": inner.kind, "meta": inner.meta}})


def unwrapped(parts: Parts) -> Parts:
    """The parts inside; raises `KeyError` where there are none."""
    meta: Any = parts.meta["inner"]
    arrays = {name.removeprefix(PREFIX): array for name, array in parts.arrays.items() if name.startswith(PREFIX)}
    return Parts(meta["kind"], arrays, meta["meta"])
