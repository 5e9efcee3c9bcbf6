"""What `routenlp train` writes: an encoder, the router on it and the stop rule behind, in one artefact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.cascade.continuation import ContinuationRule
from routenlp.contracts import Encoder, Router
from routenlp.errors import ArtefactError
from routenlp.store import artefacts
from routenlp.store.policies import build_router


@dataclass(frozen=True, slots=True, eq=False)
class StoredRouter:
    """A router and its stop rule, as they were trained."""

    encoder: Encoder
    router: Router
    stop_rule: ContinuationRule


def save(folder: Path, encoder: HashedEncoder, router: Router, stop_rule: ContinuationRule) -> str:
    """Write to `folder`, which must not exist; returns the artefact's version."""
    parts = {"encoder": encoder.parts(), "router": router.parts(), "stop_rule": stop_rule.parts()}
    return artefacts.write(folder, parts)


def load(folder: Path) -> StoredRouter:
    """What `save` wrote. Raises `ArtefactError` when a byte was changed or a part is missing."""
    parts = artefacts.read(folder)
    try:
        encoder = HashedEncoder.from_parts(parts["encoder"])
        router = build_router(parts["router"], encoder, str(folder))
        return StoredRouter(encoder, router, ContinuationRule.from_parts(parts["stop_rule"]))
    except KeyError as exc:
        raise ArtefactError(str(folder), f"lacks a part ({exc})", "Train the router again with this version.") from exc
