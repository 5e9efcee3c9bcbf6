"""The alarm in simulated years with known truth: how often it is false, and how late it is when it is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from routenlp.drift.detector import Detector, once_a_year
from routenlp.drift.score_shift import shift_from
from routenlp.drift.watches import watch

YEARS = 1_000
A_DAY = 20
MOST_FALSE = int(stats.poisson.ppf(1.0 - 1e-4, YEARS))


def draw_share(rng, n, risk):
    return np.where(rng.random(n) < risk, 0.95, -0.05)


def draw_graded(rng, n, risk):
    """Z of graded answers: both tiers vary, and the routed ones are worse by exactly what the target allows."""
    top = rng.beta(8, 2, n)
    routed = np.where(rng.random(n) < risk, 0.0, top * rng.choice([0.9, 1.1], n))
    return 0.95 * top - np.minimum(routed, 1.0)


def false_alarms(detector: Detector, draw, years, seed):
    """Alarms over so many years of samples, each followed by a fresh start."""
    rng = np.random.default_rng(seed)
    bets = np.array(detector.watch.bets)
    statistics = np.zeros((years, len(bets)))
    alarms = 0
    for _ in range(int(detector.false_alarm_samples)):
        statistics = (statistics + 1.0) * (1.0 + bets * draw(rng, years)[:, None])
        rings = statistics.mean(axis=1) >= detector.false_alarm_samples
        alarms += int(rings.sum())
        statistics[rings] = 0.0
    return alarms


@pytest.mark.parametrize("guarantee", ["joint", "conditional", "paper", "quality_ratio"])
def test_at_most_one_false_alarm_a_year_at_risk_exactly_on_target(guarantee):
    detector = once_a_year(watch(guarantee, 0.05), A_DAY)
    assert false_alarms(detector, lambda rng, n: draw_share(rng, n, 0.05), YEARS, 1) <= MOST_FALSE


def test_at_most_one_false_alarm_a_year_with_graded_qualities():
    rng = np.random.default_rng(2)
    centre = draw_graded(rng, 1_000_000, 0.04).mean()
    detector = once_a_year(watch("quality_ratio", 0.05, lowest=-1.0 - abs(centre)), A_DAY)
    assert false_alarms(detector, lambda rng, n: draw_graded(rng, n, 0.04) - centre, YEARS, 3) <= MOST_FALSE


def test_drift_that_comes_and_goes_within_the_target_is_no_excuse():
    """x whose mean given the past is never over 0, but which is far from independent."""
    phase = {"t": 0}

    def draw(rng, n):
        phase["t"] += 1
        return draw_share(rng, n, 0.05 if phase["t"] // 50 % 2 else 0.01)

    assert false_alarms(once_a_year(watch("joint", 0.05), A_DAY), draw, YEARS, 4) <= MOST_FALSE


def test_at_most_one_false_alarm_a_year_where_the_volume_of_audits_is_learned_on_the_way():
    """B begins at a year of one audit a day and rises with what has come, as the worker's does."""
    detector = once_a_year(watch("joint", 0.05), 1.0)
    rng = np.random.default_rng(7)
    bets, statistics, alarms = np.array(detector.watch.bets), np.zeros((YEARS, 6)), 0
    for seen in range(1, 365 * A_DAY + 1):
        bound = 365.0 * max(seen / max(seen / A_DAY, 1.0), 1.0)
        statistics = (statistics + 1.0) * (1.0 + bets * draw_share(rng, YEARS, 0.05)[:, None])
        rings = statistics.mean(axis=1) >= bound
        alarms += int(rings.sum())
        statistics[rings] = 0.0
    assert alarms <= MOST_FALSE


def test_simulated_statistics_are_those_of_the_detector():
    detector = once_a_year(watch("joint", 0.05), A_DAY)
    rng = np.random.default_rng(5)
    bets, statistics, state = np.array(detector.watch.bets), np.zeros(6), detector.start()
    for x in draw_share(rng, 500, 0.08).tolist():
        statistics = (statistics + 1.0) * (1.0 + bets * x)
        state = detector.see(state, x)
    assert np.array(state.statistics) == pytest.approx(statistics)


def test_the_early_warning_is_false_no_more_often_than_promised():
    """Where one in 2,000 samples is allowed, 500 scores like the reference bring one in at most a quarter."""
    rng = np.random.default_rng(6)
    runs, warned = 400, 0
    for _ in range(runs):
        shift, state = shift_from(rng.beta(2, 5, 200), 2_000.0)
        for score, tie in zip(rng.beta(2, 5, 500).tolist(), rng.random(500).tolist(), strict=True):
            state = shift.see(state, score, tie)
            if shift.warns(state):
                warned += 1
                break
    assert warned <= stats.binom.ppf(1.0 - 1e-4, runs, 0.25)
