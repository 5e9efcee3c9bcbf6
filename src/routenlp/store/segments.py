"""The segments that a candidate is judged in, kept in its folder: gate rows and audits are placed in the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from routenlp.errors import ArtefactError
from routenlp.store import artefacts
from routenlp.types import ClusterSpace, Parts

SEGMENTS = "segments"
"""Where they lie in a policy's folder; a folder without them is judged as a whole."""
_KIND = "loop/segments"


def write(folder: Path, spaces: Mapping[str, ClusterSpace]) -> None:
    """By task, into the policy's folder, which has none yet; nothing where there is no task."""
    if spaces:
        parts = {
            task: Parts(_KIND, {"mean": s.mean, "axes": s.axes, "centres": s.centres}, {}) for task, s in spaces.items()
        }
        artefacts.write(folder / SEGMENTS, parts)


def read(folder: Path) -> dict[str, ClusterSpace]:
    """By task; empty where the folder has none. Raises `ArtefactError` for what was altered."""
    at = folder / SEGMENTS
    if not at.is_dir():
        return {}
    try:
        return {
            task: ClusterSpace(
                *(np.asarray(parts.arrays[name], dtype=np.float32) for name in ("mean", "axes", "centres"))
            )
            for task, parts in artefacts.read(at).items()
        }
    except KeyError as exc:
        raise ArtefactError(str(at), f"lacks a part ({exc})", "Reject the candidate and make another.") from exc
