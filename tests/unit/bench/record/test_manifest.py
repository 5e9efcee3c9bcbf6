"""What was recorded is checked against what the manifest says of it."""

from __future__ import annotations

import pytest

from routenlp.backends.recorded_generations import Speed
from routenlp.bench.record.latency import Timed
from routenlp.bench.record.manifest import check_recordings, write_manifest
from routenlp.errors import CorruptData, MissingData
from routenlp.store.sealed import sha256_of


def written(folder, task="cs_response", timed=None):
    path = folder / task / "tuned.jsonl.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    about = {task: {"sha256": {path.name: sha256_of(path)}}}
    return path, write_manifest(folder, about, base_sha256="0", timed=timed, seed=0)


def test_a_second_task_joins_the_first_and_a_speed_stays(tmp_path):
    written(tmp_path, timed=Timed(24, Speed(0.1, 0.002, 0.02)))
    _, manifest = written(tmp_path, "fin_summarisation")
    assert set(manifest["tasks"]) == {"cs_response", "fin_summarisation"}
    assert manifest["latency"]["read_s"] == 0.002
    assert check_recordings(tmp_path) == manifest


def test_a_file_that_is_missing_or_altered_is_named(tmp_path):
    path, _ = written(tmp_path)
    path.write_bytes(b"y")
    with pytest.raises(CorruptData, match=r"tuned\.jsonl\.gz"):
        check_recordings(tmp_path)
    path.unlink()
    with pytest.raises(MissingData, match=r"tuned\.jsonl\.gz"):
        check_recordings(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(CorruptData, match="no manifest"):
        check_recordings(tmp_path)
