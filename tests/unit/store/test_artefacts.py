"""Artefacts come back as they were, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import ArtefactError
from routenlp.store import artefacts
from routenlp.types import Parts

PARTS = {
    "heads": Parts("linear", {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"labels": ["a", "é"]}),
    "rule": Parts("rule", {}, {"t": 0.5}),
}


@pytest.fixture
def folder(tmp_path):
    artefacts.write(tmp_path / "model", PARTS)
    return tmp_path / "model"


def test_what_was_written_is_read(folder):
    back = artefacts.read(folder)
    assert back.keys() == PARTS.keys()
    assert (back["heads"].kind, back["heads"].meta) == ("linear", {"labels": ["a", "é"]})
    np.testing.assert_array_equal(back["heads"].arrays["w"], PARTS["heads"].arrays["w"])


def test_the_same_parts_give_the_same_bytes(folder, tmp_path):
    version = artefacts.write(tmp_path / "again", PARTS)
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert artefacts.read(folder, version=version).keys() == PARTS.keys()


def test_any_changed_byte_is_refused(folder):
    for path in folder.iterdir():
        good = path.read_bytes()
        for at in {0, len(good) // 2, len(good) - 1}:
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises(ArtefactError):
                artefacts.read(folder)
        path.write_bytes(good)
    assert artefacts.read(folder)


@pytest.mark.parametrize("name", ["manifest.json", "heads.npz", "rule.json"])
def test_a_missing_or_truncated_file_is_refused(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtefactError, match=name.split(".", maxsplit=1)[0]):
        artefacts.read(folder)
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        artefacts.read(folder)


def test_a_file_left_over_is_refused(folder):
    (folder / "extra.npz").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"extra\.npz"):
        artefacts.read(folder)


def test_an_artefact_that_was_swapped_as_a_whole_is_refused_by_its_version(folder, tmp_path):
    other = artefacts.write(tmp_path / "other", {"rule": Parts("rule", {}, {"t": 0.9})})
    with pytest.raises(ArtefactError, match="version"):
        artefacts.read(folder, version=other)


def test_an_artefact_is_never_overwritten(folder):
    with pytest.raises(ArtefactError, match="exists already"):
        artefacts.write(folder, PARTS)


def test_a_write_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        artefacts.write(tmp_path / "bad", {"rule": Parts("rule", {}, {"t": float("nan")})})
    assert list(tmp_path.iterdir()) == []


def test_a_part_cannot_name_a_path(tmp_path):
    with pytest.raises(ArtefactError, match="plain name"):
        artefacts.write(tmp_path / "bad", {"../x": PARTS["rule"]})


def test_arrays_of_objects_are_not_written(tmp_path):
    with pytest.raises(ArtefactError, match="objects"):
        artefacts.write(tmp_path / "bad", {"o": Parts("o", {"x": np.array([{}], dtype=object)}, {})})
