"""Recordings are taken as they were recorded, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routenlp.backends.generations import Generation, write_generations
from routenlp.backends.weights import file_sha256
from routenlp.bench.datasets.recordings import load, locate
from routenlp.errors import CorruptData, MissingData

TIERS = ("small", "tuned")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three rows of one task, of which the tuned tier's reranker learned from one."""
    root = tmp_path / "recordings"
    tiers = {}
    for tier in TIERS:
        path = root / "replies" / f"{tier}.jsonl.gz"
        write_generations(path, [Generation(i, f"{tier} {i}", (0.5,), (len(tier) + 2,), 10, 2, "stop") for i in "abc"])
        tiers[tier] = {"file": str(path), "sha256": file_sha256(path)}
    (root / "replies" / "taught.json").write_text(json.dumps({"generator": ["z"], "reranker": ["c"], "examples": []}))
    speed = {"fixed_s": 0.1, "prefill_tokens_per_s": 100.0, "decode_tokens_per_s": 20.0, "kind": "measured"}
    (root / "manifest.json").write_text(json.dumps({"tasks": {"replies": {"tiers": tiers}}, "latency": speed}))
    return root


def test_what_a_tier_learned_from_is_no_answer(folder: Path) -> None:
    found = load(folder, TIERS, ["replies", "another task"])
    assert found.tasks == ("replies",)
    assert {tier: set(found.generations[tier]["replies"]) for tier in TIERS} == {t: {"a", "b"} for t in TIERS}


def test_latency_follows_from_tokens(folder: Path) -> None:
    found = load(folder, TIERS, ["replies"])
    generation = found.generations["small"]["replies"]["a"]
    assert found.speed.first_token_s(generation) == pytest.approx(0.1 + 10 / 100 + 1 / 20)
    assert found.speed.latency_s(generation) == pytest.approx(0.1 + 10 / 100 + 2 / 20)


def test_another_file_than_the_one_recorded_is_refused(folder: Path) -> None:
    write_generations(folder / "replies" / "small.jsonl.gz", [])
    with pytest.raises(CorruptData, match="SHA-256"):
        load(folder, TIERS, ["replies"])


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (folder / "replies" / "tuned.jsonl.gz").unlink()
    with pytest.raises(MissingData, match=r"tuned\.jsonl\.gz"):
        load(folder, TIERS, ["replies"])


@pytest.mark.parametrize(
    "change",
    [{"tasks": {"replies": {}}}, {"latency": {"fixed_s": 0.1}}, {"tasks": {"replies": {"tiers": {"small": 3}}}}],
    ids=["no tiers", "half a speed", "no hash"],
)
def test_a_manifest_of_something_else_is_refused(folder: Path, change: dict[str, object]) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CorruptData, match="manifest"):
        load(folder, TIERS, ["replies"])


def test_without_the_ids_that_were_learned_from_nothing_is_taken(folder: Path) -> None:
    (folder / "replies" / "taught.json").write_text("[]")
    with pytest.raises(CorruptData, match="taught"):
        load(folder, TIERS, ["replies"])


def test_they_are_found_beside_and_never_passed_over_where_asked_for(folder: Path, tmp_path: Path) -> None:
    assert locate(None, [tmp_path / "elsewhere", tmp_path]) == folder
    assert locate(None, [tmp_path / "elsewhere"]) is None
    assert locate(folder, []) == folder
    with pytest.raises(MissingData, match="manifest"):
        locate(tmp_path, [])
