"""The cache changes nothing but the time it takes."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenlp.backends.encoders.cache import CachedEncoder, CachedTokenEncoder
from routenlp.types import Vectors


class Letters:
    """A tiny deterministic token encoder that counts the texts it is asked for."""

    dim = 5

    def __init__(self, name: str = "letters") -> None:
        self.name = name
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked.extend(texts)
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        self.asked.extend(" ".join(words) for words in sentences)
        return [
            np.array([self._vector(word)[:3] for word in words], dtype=np.float32).reshape(-1, 3) for words in sentences
        ]

    def _vector(self, text: str) -> list[float]:
        return [sum(ord(letter) for letter in text) / (7.3 + place) for place in range(self.dim)]


def test_a_text_is_encoded_once(tmp_path: Path) -> None:
    inner = Letters()
    first = CachedEncoder(inner, tmp_path).encode(["a", "b", "a"])
    second = CachedEncoder(inner, tmp_path).encode(["b", "a"])
    assert inner.asked == ["a", "b"]
    assert np.array_equal(second, first[[1, 0]])


@settings(max_examples=20)
@given(texts=st.lists(st.text(st.characters(codec=None), max_size=4), max_size=12))
def test_vectors_are_those_of_the_encoder_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    cached = CachedEncoder(Letters(), tmp_path_factory.mktemp("cache"))
    expected = Letters().encode(texts)
    assert np.array_equal(cached.encode(texts), expected)
    assert np.array_equal(cached.encode(texts), expected)


def test_another_model_has_other_entries(tmp_path: Path) -> None:
    CachedEncoder(Letters("old"), tmp_path).encode(["a"])
    renewed = Letters("new")
    CachedEncoder(renewed, tmp_path).encode(["a"])
    assert renewed.asked == ["a"]


def test_fresh_and_cached_word_vectors_are_equal(tmp_path: Path) -> None:
    cached = CachedTokenEncoder(Letters(), tmp_path)
    sentences = [["one", "two"], [], ["three"]]
    fresh, again = cached.encode_words(sentences), cached.encode_words(sentences)
    assert [matrix.shape for matrix in fresh] == [(2, 3), (0, 3), (1, 3)]
    assert all(np.array_equal(a, b) and a.dtype == np.float32 for a, b in zip(fresh, again, strict=True))


def test_where_words_are_cut_matters(tmp_path: Path) -> None:
    cached = CachedTokenEncoder(Letters(), tmp_path)
    (one,), (two,) = cached.encode_words([["a b"]]), cached.encode_words([["a", "b"]])
    assert (len(one), len(two)) == (1, 2)


@pytest.mark.parametrize("damage", ["substr(value, 1, 6)", "X'00' || value", "zeroblob(length(value))", "7"])
def test_a_damaged_row_is_computed_again(tmp_path: Path, damage: str) -> None:
    inner = Letters()
    expected = CachedEncoder(inner, tmp_path).encode(["a", "b"])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        connection.execute(f"UPDATE vectors SET value = {damage} WHERE id = 1")
    connection.close()
    assert np.array_equal(CachedEncoder(inner, tmp_path).encode(["a", "b"]), expected)
    assert inner.asked == ["a", "b", "a"]


def test_a_damaged_file_is_thrown_away(tmp_path: Path) -> None:
    file = tmp_path / "vectors.sqlite"
    file.write_bytes(b"not a database" * 400)
    inner = Letters()
    cached = CachedEncoder(inner, tmp_path)
    for _ in range(3):
        assert np.array_equal(cached.encode(["a"]), Letters().encode(["a"]))
    assert len(inner.asked) < 3


def test_a_truncated_file_still_gives_vectors(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(600)]
    CachedEncoder(Letters(), tmp_path).encode(texts)
    file = tmp_path / "vectors.sqlite"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert np.array_equal(CachedEncoder(Letters(), tmp_path).encode(texts), Letters().encode(texts))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert np.array_equal(CachedEncoder(Letters(), blocked).encode(["a"]), Letters().encode(["a"]))


def test_the_file_stays_within_its_limit_and_the_oldest_rows_go_first(tmp_path: Path) -> None:
    inner = Letters()
    limit = 200_000
    cached = CachedEncoder(inner, tmp_path, max_bytes=limit)
    texts = [f"text {number}" for number in range(3_000)]
    cached.encode(texts)
    assert (tmp_path / "vectors.sqlite").stat().st_size < 2 * limit
    inner.asked.clear()
    cached.encode([texts[-1], texts[0]])
    assert inner.asked == [texts[0]]


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    cached = CachedEncoder(Letters(), tmp_path, progress=lambda done, total: seen.append((done, total)))
    cached.encode([str(number) for number in range(300)])
    assert seen == [(256, 300), (300, 300)]


def _encode(folder: Path, texts: list[str]) -> Vectors:
    return CachedEncoder(Letters(), folder).encode(texts)


def test_processes_that_fill_one_file_at_once_all_get_right_vectors_and_leave_it_whole(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(1_500)]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
        found = list(processes.map(_encode, [tmp_path] * 3, [texts, texts[::-1], texts[700:]]))
    right = Letters().encode(texts)
    assert np.array_equal(found[0], right)
    assert np.array_equal(found[1], right[::-1])
    assert np.array_equal(found[2], right[700:])
    with closing(sqlite3.connect(tmp_path / "vectors.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT COUNT(*) FROM vectors").fetchone()[0] > 0
