"""`get`: a pinned public source, downloaded, checked, normalised and put in place whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenlp.bench.datasets import checksums
from routenlp.bench.datasets.archive import read_archive
from routenlp.bench.datasets.normalise import NORMALISE
from routenlp.bench.datasets.pins import PINS, Archive, Pin
from routenlp.bench.datasets.transfer import Connection, Progress
from routenlp.errors import CorruptData, DataError, SettingsError

RAW_HOST = "https://raw.githubusercontent.com"
ARCHIVE_HOST = "https://codeload.github.com"
RECORD = "downloads.json"
"""Beside SHA256SUMS: which source, commit and licence each downloaded file came from."""
NOT_THE_PIN = "Nothing was kept. Run the command again; if it repeats, upstream is not what was pinned"


@dataclass(frozen=True, slots=True)
class Download:
    """What `get` brought."""

    pin: Pin
    files: tuple[Path, ...]
    fresh: bool
    """False: they were there already, with the hashes recorded when they came."""


def get(
    name: str,
    *,
    into: Path,
    base_url: str | None = None,
    pins: Mapping[str, Pin] = PINS,
    opener: urllib.request.OpenerDirector | None = None,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> Download:
    """The files of the source `name` in the data folder `into`, for `locate` and `six_tasks.load` to find.

    `base_url` replaces the public hosts (a mirror). Files that an earlier call brought are not fetched again while
    their hashes hold. An interrupted call leaves nothing that counts as data; the next one starts afresh. Raises
    `SettingsError` for an unknown name, `MissingData` and `CorruptData` for a transfer that fails or has not the
    pinned hash, `DataError` where a file of another origin is in the way or `into` cannot be written.
    """
    pin = pins.get(name)
    if pin is None:
        raise SettingsError("NAME", f"{name!r} is no public source known here", f"Use one of {', '.join(pins)}")
    here = _already(pin, into)
    if here:
        return Download(pin, here, fresh=False)
    connection = Connection(opener or urllib.request.build_opener(), timeout_s, progress)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".getting-") as folder:
            members = _fetch(pin, Path(folder) / "transfer", base_url, connection)
            files = _place(pin, NORMALISE[name](members), into, Path(folder))
    except OSError as exc:
        problem = f"cannot be written: {exc.strerror or exc}"
        raise DataError(str(into), problem, "Choose another folder, or free space in it") from exc
    return Download(pin, files, fresh=True)


def _fetch(pin: Pin, scratch: Path, base_url: str | None, connection: Connection) -> dict[str, bytes]:
    """The pinned files by path in the repository, each checked."""
    content = pin.content
    if isinstance(content, Archive):
        url = f"{(base_url or ARCHIVE_HOST).rstrip('/')}/{pin.repository}/tar.gz/{pin.commit}"
        connection.transfer(url, scratch, max_bytes=content.max_bytes)
        members = read_archive(scratch, content, subject=url)
        sums = {path: hashlib.sha256(member).hexdigest() for path, member in members.items()}
        listing = checksums.format_sums(sums).encode()
        checksums.check(listing, content.digest, subject=f"{url}, {len(sums)} files", remedy=NOT_THE_PIN)
        return members
    files = {}
    for path, expected in content.sha256.items():
        url = f"{(base_url or RAW_HOST).rstrip('/')}/{pin.repository}/{pin.commit}/{path}"
        connection.transfer(url, scratch, max_bytes=content.max_bytes)
        files[path] = scratch.read_bytes()
        checksums.check(files[path], expected, subject=url, remedy=NOT_THE_PIN)
    return files


def _already(pin: Pin, into: Path) -> tuple[Path, ...]:
    """The files that an earlier call brought for this very commit; empty unless all are there and whole."""
    entry = _record(into).get(pin.name, {})
    if entry.get("commit") != pin.commit:
        return ()
    files = {into / path: digest for path, digest in entry["files"].items()}
    whole = all(file.is_file() and _sha256(file.read_bytes()) == digest for file, digest in files.items())
    return tuple(files) if whole else ()


def _place(pin: Pin, contents: Mapping[str, bytes], into: Path, scratch: Path) -> tuple[Path, ...]:
    """Moves the files into place. The record goes first: what a crash leaves is then missing, and known as ours."""
    record = _record(into)
    ours = {path for entry in record.values() for path in entry["files"]}
    for path in contents:
        if path not in ours and (into / path).exists():
            problem = "is there already, and no download of ours"
            raise DataError(str(into / path), problem, "Choose another folder to download into")
    sums = {path: _sha256(content) for path, content in contents.items()}
    record[pin.name] = {
        "repository": pin.repository,
        "commit": pin.commit,
        "licence": pin.licence,
        "files": sums,
    }
    all_sums = checksums.read_sums(into) | sums
    _write(into / RECORD, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode(), scratch)
    _write(into / checksums.NAME, checksums.format_sums(all_sums).encode(), scratch)
    for path, content in contents.items():
        _write(into / path, content, scratch)
    return tuple(into / path for path in contents)


def _write(path: Path, content: bytes, scratch: Path) -> None:
    """The whole file or the old one, whatever happens: written aside, synced, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = scratch / "whole"
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _record(into: Path) -> dict[str, Any]:
    path = into / RECORD
    try:
        record = json.loads(path.read_text("utf-8"))
        if all(isinstance(entry["files"], dict) for entry in record.values()):
            return dict(record)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise CorruptData(str(path), "is not the record that `routenlp data get` writes", "Remove the file, then run again")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
