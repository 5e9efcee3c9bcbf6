"""Where the encoder's training begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from routenlp.backends.weights import LocalFolder
from routenlp.errors import CorruptData, MissingData
from routenlp.training.paper_network.published import load_published

pytest.importorskip("safetensors")


def test_a_folder_without_the_files_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="encoder weights"):
        load_published([LocalFolder(tmp_path)])


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(CorruptData, match="SHA-256"):
        load_published([LocalFolder(tmp_path)])
