"""The artefact store: named `Parts` in a folder, npz for arrays and JSON for the rest, with a manifest of hashes.

    FOLDER/manifest.json   {"format": 1, "files": {NAME: SHA-256, ...}}
    FOLDER/PART.json       {"kind": ..., "meta": ...}
    FOLDER/PART.npz        its arrays, only where it has some

Reading refuses a folder in which any byte differs from what was written, a file is missing, or one is left over.
No pickle: arrays are read with `allow_pickle=False`. Writing goes to a temporary folder beside the target, is synced,
and takes the target's name at the end, so a reader sees the whole artefact or none of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.errors import ArtefactError
from routenlp.types import Parts

FORMAT = 1
MANIFEST = "manifest.json"


def write(folder: Path, parts: Mapping[str, Parts]) -> str:
    """Write `parts` under `folder`, which must not exist; returns the artefact's version, the manifest's SHA-256."""
    if folder.exists():
        raise ArtefactError(str(folder), "exists already", "Artefacts never change in place: choose a new name.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        files = {name: data for part, value in parts.items() for name, data in _files(part, value).items()}
        manifest = _canonical({"format": FORMAT, "files": {name: _sha256(data) for name, data in files.items()}})
        for name, data in {**files, MANIFEST: manifest}.items():
            _write_synced(temporary / name, data)
        _sync_folder(temporary)
        temporary.rename(folder)
        _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return _sha256(manifest)


def read(folder: Path, *, version: str | None = None) -> dict[str, Parts]:
    """All parts of the artefact in `folder`; raises `ArtefactError` unless it is byte for byte what was written.

    With `version` (what `write` returned) a folder that was rewritten as a whole is refused too.
    """
    contents, raw = _checked(folder)
    if version is not None and _sha256(raw) != version:
        raise _altered(folder / MANIFEST, f"has version {_sha256(raw)[:12]}, expected {version[:12]}")
    return {
        name.removesuffix(".json"): _part(folder, name.removesuffix(".json"), contents)
        for name in sorted(contents)
        if name.endswith(".json")
    }


def verify(folder: Path) -> str:
    """The version of the artefact in `folder`, every byte checked and nothing decoded; raises `ArtefactError`."""
    return _sha256(_checked(folder)[1])


def _checked(folder: Path) -> tuple[dict[str, bytes], bytes]:
    """Contents by file name, and the manifest."""
    raw = _bytes(folder / MANIFEST)
    files = _manifest_files(folder / MANIFEST, raw)
    left_over = sorted({p.name for p in folder.iterdir()} - {*files, MANIFEST})
    if left_over:
        raise _altered(folder / left_over[0], "is not in the manifest")
    contents = {name: _bytes(folder / name) for name in files}
    for name, data in contents.items():
        if _sha256(data) != files[name]:
            raise _altered(folder / name, f"has SHA-256 {_sha256(data)[:12]}, the manifest says {files[name][:12]}")
    return contents, raw


def _files(name: str, parts: Parts) -> dict[str, bytes]:
    if not name.replace("_", "").replace("-", "").isalnum() or name == "manifest":
        raise ArtefactError(f"part {name!r}", "is not a plain name", "Use letters, digits, - and _.")
    out = {f"{name}.json": _canonical({"kind": parts.kind, "meta": parts.meta})}
    if any(array.dtype.hasobject for array in parts.arrays.values()):
        raise ArtefactError(f"part {name!r}", "has an array of objects", "Store plain numbers or texts.")
    if parts.arrays:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {key: np.ascontiguousarray(parts.arrays[key]) for key in sorted(parts.arrays)}
        np.savez(buffer, **arrays)
        out[f"{name}.npz"] = buffer.getvalue()
    return out


def _part(folder: Path, name: str, contents: Mapping[str, bytes]) -> Parts:
    try:
        head = json.loads(contents[f"{name}.json"])
        arrays = {}
        if f"{name}.npz" in contents:
            with np.load(io.BytesIO(contents[f"{name}.npz"]), allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        return Parts(head["kind"], arrays, head["meta"])
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as exc:
        raise _altered(folder / name, "cannot be decoded") from exc


def _manifest_files(path: Path, raw: bytes) -> dict[str, str]:
    try:
        manifest = json.loads(raw)
        canonical, version, files = _canonical(manifest), manifest["format"], manifest["files"]
    except (ValueError, KeyError, TypeError) as exc:
        raise _altered(path, "is not a manifest") from exc
    if version != FORMAT:
        raise ArtefactError(str(path), f"has format {version!r}", f"This version reads format {FORMAT}: make it anew.")
    if canonical != raw or not isinstance(files, dict) or any("/" in name or name.startswith(".") for name in files):
        raise _altered(path, "was edited")
    return {str(name): str(value) for name, value in files.items()}


def _altered(path: Path, problem: str) -> ArtefactError:
    return ArtefactError(str(path), problem, "The artefact was altered or is incomplete: restore or rebuild it.")


def _canonical(value: object) -> bytes:
    return (json.dumps(value, sort_keys=True, ensure_ascii=True, indent=1, allow_nan=False) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _altered(path, f"cannot be read ({exc.strerror})") from exc


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
