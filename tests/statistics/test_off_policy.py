"""Off-policy intervals on logs whose truth is known: at nominal 95% they cover it in 90% of 1,000 logs or more.

The cells here are a few of `routenlp bench off-policy`, which runs all of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routenlp.bench.off_policy import recorded
from routenlp.bench.off_policy.run import GRID, LOGS, Cell, as_lines, checks, coverage, fewest_covered, sound
from routenlp.bench.off_policy.worlds import Spec, draw_log, world
from routenlp.replay.outcomes.reading import read_outcomes

CELLS = (
    Cell(Spec(), 300, "wrong"),
    Cell(Spec(), 300, "fitted"),
    Cell(Spec(epsilon=0.1, grouped=True), 1_000, "wrong"),
    Cell(Spec(epsilon=0.1, graded=True), 1_000, "right", clip=10.0),
)
SLOW_CELLS = (
    Cell(Spec(epsilon=0.05), 3_000, "fitted"),
    Cell(Spec(graded=True, escalates=True), 1_000, "fitted"),
)
CHECKS = 3 * (len(CELLS) + len(SLOW_CELLS))


def check(cell: Cell) -> None:
    for found in coverage(cell, logs=LOGS):
        assert found.given >= 0.8 * LOGS
        assert found.covered >= fewest_covered(found.given, CHECKS), found


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_intervals_cover_the_truth(cell):
    check(cell)


@pytest.mark.slow
@pytest.mark.parametrize("cell", SLOW_CELLS, ids=str)
def test_intervals_cover_the_truth_on_large_logs(cell):
    check(cell)


def test_the_check_has_teeth():
    """A wrong regression with heavily clipped weights is believed where it should not be."""
    cell = Cell(Spec(epsilon=0.05), 3_000, "wrong", clip=5.0)
    assert not sound(cell)
    for found in coverage(cell, logs=100):
        assert found.covered < fewest_covered(found.given, CHECKS)


def test_the_tolerance_is_one_sided_and_exact():
    from scipy import stats

    k = fewest_covered(LOGS, 18)
    assert stats.binom.cdf(k - 1, LOGS, 0.9) <= 1e-4 / 18 < stats.binom.cdf(k, LOGS, 0.9)


def test_too_little_exploration_gives_no_interval():
    """Some 2 of 300 queries carry the estimate: their spread says nothing of those that were not drawn."""
    for found in coverage(Cell(Spec(epsilon=0.05), 300, "right"), logs=50):
        assert found.given == 0


def test_a_good_regression_narrows_the_interval():
    spec = Spec(epsilon=0.1, graded=True)
    fitted, bare = (coverage(Cell(spec, 3_000, "fitted", method=m), logs=20) for m in ("dr", "ips"))
    for narrow, wide in zip(fitted, bare, strict=True):
        assert narrow.width < 0.8 * wide.width


def test_simulated_actions_are_drawn_as_their_propensities_say():
    place = world(Spec(grouped=True), seed=2)
    logged, rows = draw_log(place, 30_000, seed=3)
    assert np.array_equal(logged.quality, place.quality[rows, logged.action])
    taken = np.bincount(logged.action, minlength=3) / logged.n
    assert taken == pytest.approx(logged.propensity.mean(axis=0), abs=0.01)


def test_the_grid_has_cells_with_and_without_a_promise():
    assert {sound(cell) for cell in GRID} == {True, False}


def test_the_bench_reports_intervals_that_miss():
    broken = Cell(Spec(), 300, "right", method="ips")
    found = coverage(Cell(Spec(epsilon=0.05), 3_000, "wrong", clip=5.0), logs=50)
    assert all(check["holds"] for check in checks(coverage(broken, logs=50)))
    assert not checks([replace(one, cell=broken) for one in found])[0]["holds"]
    assert len(as_lines(found)) == 3


@pytest.mark.slow
@pytest.mark.data
def test_estimates_agree_with_full_replay_on_recorded_outcomes(outcomes_dir):
    [recording] = [one for one in recorded.RECORDINGS if one.priced]
    table = read_outcomes(outcomes_dir / f"{recording.name}.parquet", prices=outcomes_dir / "prices.yaml")
    half = recorded.halve(table, recording.tiers, epsilon=0.2)
    for found in recorded.against_truth(half, recording.name, n=3_000, epsilon=0.2, logs=50):
        assert found.given == 50
        assert found.covered >= fewest_covered(50, 3)
        assert found.mean == pytest.approx(found.truth, abs=0.02)
        assert found.root_mean_square_error < 0.06
