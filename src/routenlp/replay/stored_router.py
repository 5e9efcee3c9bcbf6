"""What `routenlp train` writes: an encoder, the router on it and the stop rule behind, in one artefact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.cascade.continuation import ContinuationRule
from routenlp.conformal.verdict import Status
from routenlp.contracts import Encoder, Router
from routenlp.errors import ArtefactError
from routenlp.store import artefacts
from routenlp.store.policies import build_router
from routenlp.types import Parts


@dataclass(frozen=True, slots=True, eq=False)
class StoredRouter:
    """A router and its stop rule, as they were trained."""

    encoder: Encoder
    router: Router
    stop_rule: ContinuationRule
    status: Status = Status.UNCERTIFIED
    """What training proved of router and rule together, over all its tasks."""


def save(
    folder: Path,
    encoder: HashedEncoder,
    router: Router,
    stop_rule: ContinuationRule,
    status: Status = Status.UNCERTIFIED,
) -> str:
    """Write to `folder`, which must not exist; returns the artefact's version."""
    parts = {
        "encoder": encoder.parts(),
        "router": router.parts(),
        "stop_rule": stop_rule.parts(),
        "proof": Parts("proof/status", {}, {"status": str(status)}),
    }
    return artefacts.write(folder, parts)


def load(folder: Path, *, wrap: Callable[[Encoder], Encoder] = lambda encoder: encoder) -> StoredRouter:
    """What `save` wrote, on its encoder as `wrap` returns it.

    Raises `ArtefactError` when a byte was changed or a part is missing.
    """
    parts = artefacts.read(folder)
    try:
        encoder = wrap(HashedEncoder.from_parts(parts["encoder"]))
        router = build_router(parts["router"], encoder, str(folder))
        status = Status(str(parts["proof"].meta["status"])) if "proof" in parts else Status.UNCERTIFIED
        return StoredRouter(encoder, router, ContinuationRule.from_parts(parts["stop_rule"]), status)
    except (KeyError, ValueError) as exc:
        raise ArtefactError(str(folder), f"lacks a part ({exc})", "Train the router again with this version.") from exc
