"""Recorded generations: a round trip, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.generations import STEPS, Generation, read_generations, write_generations
from routenlp.errors import CorruptData, MissingData

WHOLE = Generation("q-1", "Schön!", (1.0, 0.25, 0.0), (3, 1, 3), 40, 4, "stop")


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), st.floats(0.0, 1.0)), max_size=12
    )
)
def test_a_generation_comes_back_with_probabilities_within_half_a_step(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[tuple[str, float]]
) -> None:
    path = tmp_path_factory.mktemp("g") / "tier.jsonl.gz"
    answer, probs = "".join(text for text, _ in tokens), tuple(p for _, p in tokens)
    written = Generation("q", answer, probs, tuple(len(text.encode()) for text, _ in tokens), 9, len(tokens), "length")
    write_generations(path, [written])
    (read,) = read_generations(path)
    assert (read.answer, read.token_bytes) == (answer, written.token_bytes)
    assert all(abs(a - b) <= 0.5 / STEPS + 1e-12 for a, b in zip(read.token_probs, probs, strict=True))


def test_same_generations_same_bytes(tmp_path: Path) -> None:
    write_generations(tmp_path / "a.gz", [WHOLE])
    write_generations(tmp_path / "b.gz", [WHOLE])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        Generation("q", "ab", (0.5,), (1, 1), 1, 1, "stop"),
        Generation("q", "ab", (0.5, 0.5), (1, 2), 1, 1, "stop"),
        Generation("q", "ab", (0.5, 1.5), (1, 1), 1, 1, "stop"),
        Generation("q", "ab", (0.5, 0.5), (3, -1), 1, 1, "stop"),
        Generation("q", "a", (0.5,), (1,), -1, 1, "stop"),
    ],
    ids=["probabilities", "bytes", "over one", "negative bytes", "negative tokens"],
)
def test_what_does_not_belong_together_is_not_written(tmp_path: Path, wrong: Generation) -> None:
    with pytest.raises(CorruptData, match="'q'"):
        write_generations(tmp_path / "t.gz", [wrong])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"{}", b"not json", b'{"id": 1}', b""], ids=["keys", "json", "type", "blank"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "t.gz"
    write_generations(path, [WHOLE])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + line + b"\n"))
    with pytest.raises(CorruptData, match="line 2"):
        list(read_generations(path))


def test_a_line_whose_tokens_are_not_its_answer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.gz"
    write_generations(path, [WHOLE])
    line = json.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(json.dumps({**line, "answer": "else"}).encode()))
    with pytest.raises(CorruptData, match="line 1"):
        list(read_generations(path))


def test_a_file_cut_short_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "t.gz"
    write_generations(path, [WHOLE])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorruptData):
        list(read_generations(path))
    with pytest.raises(MissingData):
        list(read_generations(tmp_path / "none.gz"))
