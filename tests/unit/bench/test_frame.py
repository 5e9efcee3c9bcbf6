from __future__ import annotations

import json

from routenlp.bench.frame import all_hold, at_most, check_line, frame


def test_the_frame_has_what_every_bench_writes() -> None:
    written = frame("b", seed=3, seconds=1.26, rows=[{"n": 1}], checks=[at_most("seconds", 1.26, 2.0)], every=True)
    assert set(written) >= {"bench", "version", "seed", "machine", "seconds", "peak_rss_mb", "rows", "checks"}
    assert (written["seconds"], written["every"]) == (1.3, True)
    json.dumps(written)


def test_a_check_says_whether_it_holds() -> None:
    assert at_most("x", 0.1, 0.1)["holds"]
    assert check_line(at_most("x", 0.2, 0.1)) == "MISSED: x 0.2, target 0.1"
    assert check_line(at_most("x", 0.05, 0.1)) == "holds: x 0.05, target 0.1"


def test_memory_may_have_been_measured_elsewhere() -> None:
    assert frame("b", seed=0, seconds=1.0, rows=[], checks=[], peak_rss_mb=13)["peak_rss_mb"] == 13


def test_one_missed_check_is_a_no() -> None:
    held, missed = at_most("x", 0.1, 0.2), at_most("y", 0.3, 0.2)
    assert all_hold([held])
    assert not all_hold([held, missed])
