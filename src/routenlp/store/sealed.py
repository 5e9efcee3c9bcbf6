"""Folders of files that other programs read (weights, adapters, training files), sealed by a manifest of hashes.

`store.artefacts` is for what routenlp itself reads; here the files keep their own formats. A folder appears whole under
its final name or not at all, and never changes afterwards: `check` refuses one in which a byte differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from routenlp.errors import ArtefactError

SEAL = "routenlp-seal.json"
_FORMAT = "routenlp-sealed/1"
_CHUNK = 1 << 20


def seal(folder: Path, fill: Callable[[Path], Mapping[str, object]]) -> dict[str, object]:
    """Fills a temporary folder beside `folder`, seals it and gives it the name; returns what `fill` said of it.

    `fill` writes files into the folder that it is given and returns JSON values to keep with them. Whatever it raises,
    a full disk included, leaves nothing behind. Raises `ArtefactError` where `folder` exists.
    """
    if folder.exists():
        raise ArtefactError(str(folder), "exists already", "Sealed folders never change: choose a new name.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        about = dict(fill(temporary))
        _sync_files(temporary)
        head = {"format": _FORMAT, "files": _hashes(temporary), "about": about}
        with (temporary / SEAL).open("w", encoding="utf-8") as file:
            json.dump(head, file, sort_keys=True, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return about


def check(folder: Path) -> dict[str, object]:
    """What was said of a sealed folder; raises `ArtefactError` unless every file is what was sealed, and no other."""
    try:
        head = json.loads((folder / SEAL).read_bytes())
        sealed, about = head["files"], head["about"]
        known = head["format"] == _FORMAT and isinstance(about, dict)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ArtefactError(str(folder), "has no readable seal", "Make it anew, or restore it.") from exc
    if not known or _hashes(folder) != sealed:
        raise ArtefactError(str(folder), "is not what was sealed", "Make it anew, or restore it.")
    return dict(about)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SEAL)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
