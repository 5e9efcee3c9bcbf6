"""Points on disk: what comes back is what was put there, and nothing stale or damaged does."""

from __future__ import annotations

import numpy as np
from tests.unit.bench.loop.test_figures import point

from routenlp.bench.loop import kept
from routenlp.bench.loop.arms import NONE, RANDOM

MEASURED = kept.Measured([point(NONE, 0, 0.5), point(RANDOM, 1, 0.4, low=0.02)], 12.5, 800.0)


def test_points_come_back_as_they_were(tmp_path):
    path = tmp_path / "deep" / "t-0.npz"
    kept.save(MEASURED, path, "key")
    found = kept.load(path, "key")
    assert found is not None
    assert (found.seconds, found.peak_rss_mb) == (12.5, 800.0)
    for before, after in zip(MEASURED.points, found.points, strict=True):
        assert (before.arm, before.round, before.lessons) == (after.arm, after.round, after.lessons)
        assert (before.tier_shares, before.gain) == (after.tier_shares, after.gain)
        assert np.array_equal(before.cost_usd, after.cost_usd)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_was_measured_for_something_else_is_not_used(tmp_path):
    kept.save(MEASURED, tmp_path / "t.npz", "key")
    assert kept.load(tmp_path / "t.npz", "another key") is None


def test_no_file_and_a_damaged_one_are_measured_anew(tmp_path):
    path = tmp_path / "t.npz"
    assert kept.load(path, "key") is None
    kept.save(MEASURED, path, "key")
    whole = path.read_bytes()
    for damaged in (b"", b"not a file of arrays", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert kept.load(path, "key") is None
