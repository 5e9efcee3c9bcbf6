"""The folders of policy versions: a tree of artefacts, copied in as a whole, named by its content, never changed.

ROOT/ID/...           the same layout as the folder that `policy.folder` names: models, router, thresholds and
                      certificates side by side, so that they are promoted and taken back as one
ROOT/.incoming-*      a copy that is under way, or was killed: never looked at, swept by the next one
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import ArtefactError, StoreError
from routenlp.store import artefacts

_INCOMING = ".incoming-"
ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Content:
    """What lies in a version's folder."""

    artefacts: Mapping[str, str]
    """By path within the folder (`.`: the folder itself), the artefact's version: its manifest's SHA-256."""

    @property
    def digest(self) -> str:
        """SHA-256 over all of it, in hex."""
        return hashlib.sha256(json.dumps(dict(sorted(self.artefacts.items()))).encode()).hexdigest()

    @property
    def id(self) -> str:
        """The digest's first digits: the version's name."""
        return self.digest[:ID_DIGITS]


def content_of(folder: Path) -> Content:
    """Every artefact under `folder`, byte for byte checked.

    Raises `ArtefactError` where a byte differs, and for a folder that holds none, or anything that is in none.
    """
    found = {}
    for inner, folders, files in os.walk(folder):
        folders.sort()
        at = Path(inner)
        if artefacts.MANIFEST in files:
            found[at.relative_to(folder).as_posix()] = artefacts.verify(at)
            folders.clear()
        elif files:
            raise ArtefactError(str(at / sorted(files)[0]), "belongs to no artefact", "Take it out of the folder.")
    if not found:
        raise ArtefactError(str(folder), "holds no artefact", "Name the folder of a policy, or what `train` wrote.")
    return Content(found)


def copy_in(source: Path, root: Path) -> Content:
    """Copies `source` to a folder named by its content, unless it is there already.

    A reader sees all of it or nothing, also after a kill or a loss of power. For one process at a time. Raises
    `ArtefactError` for a source that is no policy, `StoreError` where the disk does not take it; nothing is left then.
    """
    expected = content_of(source)
    target = root / expected.id
    if target.exists():
        check(target, expected)
        return expected
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        temporary = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=root))
        try:
            _copy(source, temporary)
            check(temporary, expected)
            temporary.rename(target)
            _sync(root)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as exc:
        raise StoreError(
            str(root), f"cannot take the policy ({exc.strerror})", "Make room; what serves was not touched."
        ) from exc
    return expected


def check(folder: Path, expected: Content) -> None:
    """Raises `ArtefactError` unless `folder` is byte for byte what was copied in."""
    if not folder.is_dir():
        raise ArtefactError(str(folder), "is gone", "Restore it, or choose another version.")
    if content_of(folder) != expected:
        raise ArtefactError(str(folder), "is not what was stored", "Restore it, or choose another version.")


def _copy(source: Path, target: Path) -> None:
    for inner, folders, files in os.walk(source):
        at = target / Path(inner).relative_to(source)
        for name in folders:
            (at / name).mkdir()
        for name in files:
            with (Path(inner) / name).open("rb") as given, (at / name).open("wb") as taken:
                shutil.copyfileobj(given, taken, 1 << 20)
                taken.flush()
                os.fsync(taken.fileno())
        _sync(at)


def _sweep(root: Path) -> None:
    for left in root.glob(f"{_INCOMING}*"):
        shutil.rmtree(left, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
