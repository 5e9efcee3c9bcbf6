"""A GGUF file written like another one: other weights, the same words about them."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.backends.gguf_file import plain, write_gguf

from routenlp.backends.gguf import open_gguf
from routenlp.backends.gguf_float16 import write_float16
from routenlp.errors import ArtefactError

ABOUT = {"general.name": "ß", "general.file_type": 3, "some.words": ["a", "ß"], "some.share": 0.5, "on": True}
BLOCK = ((1, 32), 8, struct.pack("<e32b", 0.1, *range(32)))


def source(tmp_path, about=ABOUT):
    odd = np.linspace(-1.0, 1.0, 15, dtype=np.float32)
    return open_gguf(write_gguf(tmp_path / "a.gguf", about, {"q": BLOCK, "v": plain(odd), "m": plain(odd[None])}))


def test_matrices_are_float16_and_vectors_what_they_were(tmp_path):
    opened = source(tmp_path)
    write_float16(opened, opened.tensor, tmp_path / "b.gguf")
    written = open_gguf(tmp_path / "b.gguf")
    assert written.names == opened.names
    np.testing.assert_array_equal(written.tensor("v"), opened.tensor("v"))
    for name in ("q", "m"):
        np.testing.assert_array_equal(written.tensor(name), opened.tensor(name).astype(np.float16))
        assert np.any(written.tensor(name) != opened.tensor(name))


def test_of_the_metadata_only_the_files_type_is_another(tmp_path):
    opened = source(tmp_path)
    write_float16(opened, opened.tensor, tmp_path / "b.gguf")
    written = open_gguf(tmp_path / "b.gguf")
    assert dict(written.about) == {**ABOUT, "general.file_type": 1}
    changed = [at for at, both in enumerate(zip(opened.metadata, written.metadata, strict=True)) if len(set(both)) > 1]
    assert changed == [opened.value_at["general.file_type"]]


def test_without_a_type_the_metadata_is_the_same(tmp_path):
    opened = source(tmp_path, about={"general.name": "x"})
    write_float16(opened, opened.tensor, tmp_path / "b.gguf")
    assert open_gguf(tmp_path / "b.gguf").metadata == opened.metadata


def test_tensors_begin_where_the_files_alignment_says(tmp_path):
    opened = source(tmp_path)
    wide = replace(opened, about={**ABOUT, "general.alignment": 128})
    write_float16(wide, opened.tensor, tmp_path / "b.gguf")
    assert (tmp_path / "b.gguf").stat().st_size % 128 == 0


def test_what_lies_there_is_not_overwritten(tmp_path):
    opened = source(tmp_path)
    with pytest.raises(ArtefactError, match="exists already"):
        write_float16(opened, opened.tensor, tmp_path / "a.gguf")


def test_what_fails_leaves_nothing_behind(tmp_path):
    opened = source(tmp_path)
    with pytest.raises(ArtefactError, match=r"tensor m.*cannot hold"):
        write_float16(opened, lambda name: opened.tensor(name) * (1e6 if name == "m" else 1.0), tmp_path / "b.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]
