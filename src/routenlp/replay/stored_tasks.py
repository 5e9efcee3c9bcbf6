"""What `routenlp train-tasks` writes: an encoder, the task classifier on it and its proof, in one artefact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.backends.encoders.static import StaticEncoder
from routenlp.contracts import Encoder
from routenlp.errors import ArtefactError
from routenlp.replay.task_training import TaskPromise, TrainedTasks
from routenlp.router.task_classifier import TaskClassifier
from routenlp.store import artefacts
from routenlp.types import Parts

HASHED, STATIC = "hashed", "static"
"""Under which name the encoder lies."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredTasks:
    """A task classifier as it was trained."""

    encoder: Encoder
    classifier: TaskClassifier


def save(folder: Path, trained: TrainedTasks, promise: TaskPromise) -> str:
    """Write to `folder`, which must not exist; returns the artefact's version."""
    encoder = trained.encoder
    if not isinstance(encoder, HashedEncoder | StaticEncoder):
        raise ArtefactError(str(folder), f"cannot hold encoder {encoder.name!r}", "Train on a hashed or static one.")
    verdict = trained.verdict
    proof: dict[str, object] = {
        "promise": asdict(promise),
        "status": str(verdict.status),
        "n": verdict.n,
        "groups": verdict.groups,
        "estimate": verdict.estimate,
        "bound": verdict.bound,
        "reason": verdict.reason,
    }
    parts = {
        HASHED if isinstance(encoder, HashedEncoder) else STATIC: encoder.parts(),
        "classifier": trained.classifier.parts(),
        "proof": Parts("proof/tasks", {}, proof),
    }
    return artefacts.write(folder, parts)


def load(folder: Path) -> StoredTasks:
    """What `save` wrote. Raises `ArtefactError` when a byte was changed or a part is missing."""
    parts = artefacts.read(folder)
    try:
        return StoredTasks(_encoder(parts), TaskClassifier.from_parts(parts["classifier"]))
    except KeyError as exc:
        raise ArtefactError(str(folder), f"lacks a part ({exc})", "Run `routenlp train-tasks` again.") from exc


def _encoder(parts: Mapping[str, Parts]) -> Encoder:
    return HashedEncoder.from_parts(parts[HASHED]) if HASHED in parts else StaticEncoder.from_parts(parts[STATIC])
