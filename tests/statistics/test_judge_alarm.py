"""The judge's alarm in simulated years with known truth: how often it is false, and how late it is when it is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from routenlp.drift.judge import BETS, JudgeDetector

YEARS = 300
A_DAY = 4
B = 365.0 * A_DAY
MOST_FALSE = int(stats.poisson.ppf(1.0 - 1e-4, YEARS))
BINS, SIDE, STEP = 81, 40, 0.05


def verdicts(more=0.0):
    """Judge and people say right or wrong: each errs its own way on a tenth; `more`: of lenience, in mean gap."""

    def draw(rng, n):
        r = rng.random(n)
        return np.select([r < 0.1 + more, r < 0.2 + more], [1.0, -1.0], 0.0)

    return draw


def shades(more=0.0):
    """Grades between 0 and 1, off by some 0.2."""
    return lambda rng, n: np.clip(rng.normal(0.03 + more, 0.2, n), -2.0, 2.0)


def perfect(rng, n):
    return np.zeros(n)


class Years:
    """Many detectors at once, by the same arithmetic."""

    def __init__(self, n, bound):
        self.counts, self.statistics, self.bound = np.zeros((n, BINS)), np.zeros((n, 2 * len(BETS))), bound

    def see(self, gaps, ties):
        rows = np.arange(len(gaps))
        at = SIDE + np.rint(gaps / STEP).astype(int)
        self.counts[rows, at] += 1.0
        upto = self.counts.cumsum(axis=1)
        own = self.counts[rows, at]
        rank = (upto[rows, at] - own + ties * own) / upto[:, -1]
        factors = [1.0 + c * ((k + 1.0) * u**k - 1.0) for u in (rank, 1.0 - rank) for k, c in BETS]
        self.statistics = (self.statistics + 1.0) * np.array(factors).T
        return self.statistics.mean(axis=1) >= self.bound

    def restart(self, rings):
        self.counts[rings], self.statistics[rings] = 0.0, 0.0


@pytest.mark.parametrize("draw", [verdicts(), shades(), perfect], ids=["verdicts", "shades", "a perfect judge"])
def test_at_most_one_false_alarm_a_year_of_a_judge_that_stays_as_it_is(draw):
    rng, years, alarms = np.random.default_rng(1), Years(YEARS, B), 0
    for _ in range(int(B)):
        rings = years.see(draw(rng, YEARS), rng.random(YEARS))
        alarms += int(rings.sum())
        years.restart(rings)
    assert alarms <= MOST_FALSE


def delays(before, after, known, seed=2, runs=200, most=2_500):
    """Gaps from the change to the alarm, after `known` gaps of a judge as it was."""
    rng, years, delay = np.random.default_rng(seed), Years(runs, B), np.full(runs, np.inf)
    for _ in range(known):
        years.restart(years.see(before(rng, runs), rng.random(runs)))
    for t in range(1, most + 1):
        rings = years.see(after(rng, runs), rng.random(runs))
        delay[rings & np.isinf(delay)] = t
        if np.isfinite(delay).mean() > 0.95:
            break
    return np.quantile(delay, [0.5, 0.9], method="higher")


@pytest.mark.parametrize(
    ("world", "known", "median", "p90"),
    [(verdicts, 300, 240, 2_500), (verdicts, 1_000, 160, 500), (shades, 300, 65, 160), (shades, 1_000, 60, 120)],
)
def test_ten_points_more_leniency_are_found(world, known, median, p90):
    found = delays(world(), world(0.1), known)
    assert found[0] <= median
    assert found[1] <= p90


def test_ten_points_harsher_is_found_as_soon():
    assert delays(shades(), shades(-0.1), 300)[0] <= 65


def test_simulated_statistics_are_those_of_the_detector():
    detector, years, rng = JudgeDetector(B), Years(1, B), np.random.default_rng(3)
    state = detector.start()
    for gap, tie in zip(shades()(rng, 300).tolist(), rng.random(300).tolist(), strict=True):
        years.see(np.array([gap]), np.array([tie]))
        state = detector.see(state, gap, tie)
    assert np.array(state.statistics) == pytest.approx(years.statistics[0])
    assert list(state.counts) == years.counts[0].tolist()
