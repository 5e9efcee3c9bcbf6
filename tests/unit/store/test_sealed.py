"""Sealed folders: whole or not at all, and never altered unseen."""

from __future__ import annotations

import pytest

from routenlp.errors import ArtefactError
from routenlp.store.sealed import SEAL, check, seal


def fill(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "weights.bin").write_bytes(b"w" * 3_000_000)
    (folder / "a.txt").write_text("a")
    return {"lessons": 3}


def test_what_was_sealed_is_what_is_found(tmp_path):
    assert seal(tmp_path / "x", fill) == {"lessons": 3}
    assert check(tmp_path / "x") == {"lessons": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "alter",
    [
        lambda x: (x / "a.txt").write_text("b"),
        lambda x: (x / "a.txt").unlink(),
        lambda x: (x / "new").write_text(""),
        lambda x: (x / SEAL).write_text("{}"),
        lambda x: (x / SEAL).unlink(),
    ],
)
def test_an_altered_folder_is_refused(tmp_path, alter):
    seal(tmp_path / "x", fill)
    alter(tmp_path / "x")
    with pytest.raises(ArtefactError):
        check(tmp_path / "x")


def test_a_failure_while_filling_leaves_nothing(tmp_path):
    def fails(folder):
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        seal(tmp_path / "x", fails)
    assert list(tmp_path.iterdir()) == []


def test_a_sealed_folder_is_never_written_over(tmp_path):
    seal(tmp_path / "x", fill)
    with pytest.raises(ArtefactError, match="exists already"):
        seal(tmp_path / "x", fill)
