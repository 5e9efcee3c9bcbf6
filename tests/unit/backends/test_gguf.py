"""A GGUF file's head and tensors, against blocks that were worked out by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.unit.backends.gguf_file import plain, write_gguf

from routenlp.backends.gguf import dequantise_q4_1, dequantise_q8_0, open_gguf
from routenlp.errors import CorruptData, MissingData


def test_four_bits_with_scale_and_minimum_the_low_halves_first():
    quants = bytes((15 - i) << 4 | i for i in range(16))
    block = np.frombuffer(struct.pack("<ee", 0.5, -1.0) + quants, dtype=np.uint8)
    expected = [0.5 * i - 1.0 for i in range(16)] + [0.5 * (15 - i) - 1.0 for i in range(16)]
    np.testing.assert_array_equal(dequantise_q4_1(block[None]), [expected])


def test_eight_bits_with_a_scale():
    block = np.frombuffer(struct.pack("<e32b", 0.25, *range(-16, 16)), dtype=np.uint8)
    np.testing.assert_array_equal(dequantise_q8_0(block[None]), [[0.25 * i for i in range(-16, 16)]])


def test_metadata_and_tensors_of_a_file(tmp_path):
    about = {"general.architecture": "llama", "some.count": 7, "some.words": ["a", "ß"], "some.share": 0.5, "on": True}
    matrix = np.arange(6.0).reshape(2, 3)
    block = ((1, 32), 8, struct.pack("<e32b", 1.0, *range(32)))
    opened = open_gguf(write_gguf(tmp_path / "a.gguf", about, {"m": plain(matrix), "q": block}))
    assert dict(opened.about) == about
    assert opened.names == ("m", "q")
    np.testing.assert_array_equal(opened.tensor("m"), matrix)
    np.testing.assert_array_equal(opened.tensor("q"), [range(32)])


def test_a_type_that_is_not_read_is_named(tmp_path):
    opened = open_gguf(write_gguf(tmp_path / "a.gguf", {}, {"m": ((1, 256), 14, b"\0" * 210)}))
    with pytest.raises(CorruptData, match="type 14"):
        opened.tensor("m")


@pytest.mark.parametrize("size", [3, 20, 60, 150])
def test_a_file_that_is_cut_is_refused(tmp_path, size):
    path = write_gguf(tmp_path / "a.gguf", {"general.name": "x" * 40}, {"m": plain(np.ones((4, 8)))})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CorruptData, match=r"a\.gguf"):
        open_gguf(path).tensor("m")


def test_what_is_not_there_or_no_gguf_is_refused(tmp_path):
    with pytest.raises(MissingData):
        open_gguf(tmp_path / "none.gguf")
    (tmp_path / "b.gguf").write_bytes(b"PK\3\4" + b"\0" * 100)
    with pytest.raises(CorruptData, match="no GGUF"):
        open_gguf(tmp_path / "b.gguf")
