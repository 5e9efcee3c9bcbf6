from __future__ import annotations

import pytest

from routenlp.bench.calibration_size.published import PUBLISHED, rows_behind, wilson_at
from routenlp.replay.intervals import Interval, wilson


def test_a_whole_number_of_events_gives_the_interval_itself() -> None:
    assert wilson_at(0.05, 100).low == pytest.approx(wilson(5, 100).low)
    assert wilson_at(1.0, 30).high == pytest.approx(1.0)
    assert wilson_at(0.0, 30).low == 0.0


def test_between_two_numbers_of_events_the_bounds_lie_between() -> None:
    between = wilson_at(0.055, 100)
    assert wilson(5, 100).low < between.low < wilson(6, 100).low  # type: ignore[operator]
    assert between.estimate == 0.055


@pytest.mark.parametrize("rows", [100, 500, 2_000])
def test_the_rows_behind_an_interval_are_found(rows: int) -> None:
    assert rows_behind(wilson_at(0.06, rows)) == pytest.approx(rows, rel=0.02)


def test_an_interval_without_a_bound_speaks_of_no_number_of_rows() -> None:
    with pytest.raises(ValueError, match="without"):
        rows_behind(Interval(0.05, None, None))


def test_the_published_intervals_grow_with_the_calibration_and_all_hold_the_target() -> None:
    behind = [rows_behind(rate) for rate in PUBLISHED.values()]
    assert behind == sorted(behind)
    assert all(0.7 * n < rows < 1.05 * n for n, rows in zip(PUBLISHED, behind, strict=True))
    assert all(rate.low < 0.05 < rate.high for rate in PUBLISHED.values())  # type: ignore[operator]
