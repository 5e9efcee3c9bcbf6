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
    for tier in TIERS:
        path = root / "replies" / f"{tier}.jsonl.gz"
        write_generations(path, [Generation(i, f"{tier} {i}", (0.5,), (len(tier) + 2,), 10, 2, "stop") for i in "abc"])
    (root / "replies" / "taught.json").write_text(
        json.dumps({"generator": ["z"], "reranker": ["c"], "examples": ["a"]})
    )
    hashes = {path.name: file_sha256(path) for path in (root / "replies").iterdir()}
    speed = {"fixed_s": 0.1, "read_s": 0.01, "written_s": 0.05, "queries": 24}
    (root / "manifest.json").write_text(json.dumps({"tasks": {"replies": {"sha256": hashes}}, "latency": speed}))
    return root


def set_in_manifest(folder: Path, **change: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_what_a_tier_learned_from_is_no_answer(folder: Path) -> None:
    found = load(folder, TIERS, ["replies", "another task"])
    assert found.tasks == ("replies",)
    assert found.start == {"replies": {"a"}}
    assert {tier: set(found.generations[tier]["replies"]) for tier in TIERS} == {t: {"a", "b"} for t in TIERS}


def test_latency_follows_from_tokens(folder: Path) -> None:
    found = load(folder, TIERS, ["replies"])
    generation = found.generations["small"]["replies"]["a"]
    assert found.speed is not None
    assert found.speed.reading_s(generation) == pytest.approx(0.1 + 10 * 0.01)
    assert found.speed.latency_s(generation) == pytest.approx(0.1 + 10 * 0.01 + 2 * 0.05)


def test_what_was_not_timed_has_no_speed(folder: Path) -> None:
    set_in_manifest(folder, latency=None)
    assert load(folder, TIERS, ["replies"]).speed is None


def test_another_file_than_the_one_recorded_is_refused(folder: Path) -> None:
    write_generations(folder / "replies" / "small.jsonl.gz", [])
    with pytest.raises(CorruptData, match=r"small\.jsonl\.gz.*not what was recorded"):
        load(folder, TIERS, ["replies"])


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (folder / "replies" / "tuned.jsonl.gz").unlink()
    with pytest.raises(MissingData, match=r"tuned\.jsonl\.gz"):
        load(folder, TIERS, ["replies"])


@pytest.mark.parametrize(
    "change",
    [{"tasks": {"replies": {}}}, {"latency": {"fixed_s": 0.1}}, {"tasks": 3}],
    ids=["no hashes", "half a speed", "no tasks"],
)
def test_a_manifest_of_something_else_is_refused(folder: Path, change: dict[str, object]) -> None:
    set_in_manifest(folder, **change)
    with pytest.raises(CorruptData, match="manifest"):
        load(folder, TIERS, ["replies"])


def test_without_the_ids_that_were_learned_from_nothing_is_taken(folder: Path) -> None:
    (folder / "replies" / "taught.json").write_text("[]")
    names = ("small.jsonl.gz", "taught.json", "tuned.jsonl.gz")
    set_in_manifest(folder, tasks={"replies": {"sha256": {n: file_sha256(folder / "replies" / n) for n in names}}})
    with pytest.raises(CorruptData, match="taught"):
        load(folder, TIERS, ["replies"])


def test_they_are_found_beside_and_never_passed_over_where_asked_for(folder: Path, tmp_path: Path) -> None:
    assert locate(None, [tmp_path / "elsewhere", tmp_path]) == folder
    assert locate(None, [tmp_path / "elsewhere"]) is None
    assert locate(folder, []) == folder
    with pytest.raises(MissingData, match="manifest"):
        locate(tmp_path, [])
