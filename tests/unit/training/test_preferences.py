"""Preferences from files and from feedback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from routenlp.errors import CorruptData, DataError, MissingData, SettingsError
from routenlp.grading.preferences import Preference
from routenlp.training.preferences import preferences_from_feedback, read_preferences

TIERS = ("small", "top")
ROWS = [
    {"query_id": "q1", "tier_a": "small", "tier_b": "top", "winner": "tie"},
    {"query_id": "q2", "tier_a": "top", "tier_b": "small", "winner": "a", "weight": 2},
]
EXPECTED = (Preference("q1", "small", "top", "tie"), Preference("q2", "top", "small", "a", 2.0))
JSONL = "\n".join(map(json.dumps, ROWS)) + "\n\n"
CSV = 'query_id,tier_a,tier_b,winner,weight,note\nq1,small,top,tie,,"two\nlines"\nq2,top,small,a,2,\n'


@pytest.mark.parametrize(
    ("name", "text"), [("p.jsonl", JSONL), ("p.csv", CSV), ("p.JSONL.gz", JSONL), ("p.csv.gz", CSV)]
)
def test_files_are_read(tmp_path: Path, name: str, text: str) -> None:
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read_preferences(tmp_path / name, TIERS) == EXPECTED


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("p.jsonl", b'{"query_id": 1\n', CorruptData, r"line 1: is not JSON"),
        ("p.jsonl", b"\n[1]\n", CorruptData, r"line 2: is '\[1\]', expected an object"),
        ("p.jsonl", b'{"query_id": "q", "tier_a": "x"}', DataError, "line 1, tier_b: is missing"),
        ("p.jsonl", b"\xff\xfe", CorruptData, "cannot be read"),
        ("p.csv", b"query_id,tier_a,winner\n", DataError, "has no column 'tier_b'"),
        ("p.csv", b"", DataError, "has no column 'query_id'"),
        ("p.csv", b"query_id,tier_a,tier_b,winner\nq,small,top\n", CorruptData, "row 1: has not as many fields"),
        ("p.csv", b"query_id,tier_a,tier_b,winner\nq,small,top,a,b\n", CorruptData, "row 1: has not as many fields"),
        ("p.csv", b"query_id,tier_a,tier_b,winner\nq,small,top,lost\n", DataError, "row 1, winner: is 'lost'"),
        ("p.csv", b'query_id,tier_a,tier_b,winner\n"q,small', CorruptData, "cannot be read"),
        ("p.csv.gz", b"no gzip", CorruptData, "cannot be read"),
        ("p.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-9], CorruptData, "cannot be read"),
        ("p.parquet", b"", SettingsError, "is a 'parquet' file"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, data: bytes, error: type, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=message):
        read_preferences(tmp_path / name, TIERS)


def test_an_absent_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="there is no such file"):
        read_preferences(tmp_path / "p.csv", TIERS)


def test_feedback_of_other_kinds_is_passed_over() -> None:
    records = [{"kind": "score", "score": 1.0}, {"kind": "preference", **ROWS[0]}, {"kind": "label"}]
    assert preferences_from_feedback(records, TIERS) == EXPECTED[:1]


def test_feedback_sent_twice_counts_once_and_the_last_holds() -> None:
    records = [{"kind": "preference", "id": "f1", **ROWS[0], "winner": winner} for winner in ("a", "b")]
    assert [p.winner for p in preferences_from_feedback(records, TIERS)] == ["b"]


def test_bad_feedback_is_named() -> None:
    with pytest.raises(DataError, match="feedback id f1, tier_b: 'huge' is no tier"):
        preferences_from_feedback([{"kind": "preference", "id": "f1", **ROWS[0], "tier_b": "huge"}], TIERS)
