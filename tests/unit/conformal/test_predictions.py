"""Judge labels corrected by gold ones: unbiased, bounded, and no worse than gold alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.groups import row_units
from routenlp.conformal.predictions import Gold, corrected, loss_bounds, mean_interval, span, tuned_lambda
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.errors import DataError


def drawn(n, propensity, seed=0):
    return Gold(np.random.default_rng(seed).random(n) < propensity, np.full(n, propensity))


def test_a_judge_that_is_always_wrong_costs_nothing_on_average():
    gold, judged = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 0.0])
    means = [corrected(judged, gold, drawn(4, 0.3, seed), 0.7).mean() for seed in range(20_000)]
    assert np.mean(means) == pytest.approx(gold.mean(), abs=4 * np.std(means) / len(means) ** 0.5)


def test_gold_labels_of_rows_not_drawn_are_never_read():
    which = Gold(np.array([True, False]), np.array([0.5, 0.5]))
    assert corrected([1.0, 1.0], [0.0, np.nan], which, 0.5).tolist() == [-0.5, 0.5]


def test_with_every_row_gold_the_judge_does_not_matter():
    which = Gold(np.ones(3, dtype=bool), np.ones(3))
    assert corrected([0.0, 1.0, 0.5], [0.2, 0.4, 0.6], which, 1.0) == pytest.approx([0.2, 0.4, 0.6])
    assert (span(which, 1.0), loss_bounds(which, 1.0)) == (1.0, (0.0, 1.0))


@given(st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 15), st.booleans())
def test_bounds_hold(propensity, lam, ratio, corner, is_gold):
    judged_routed, judged_top, gold_routed, gold_top = (float(corner >> bit & 1) for bit in range(4))
    which = Gold(np.array([is_gold]), np.array([propensity]))
    routed = corrected([judged_routed], [gold_routed], which, lam)
    z = ratio * corrected([judged_top], [gold_top], which, lam) - routed
    assert abs(z[0]) <= span(which, lam) + 1e-9
    low, high = loss_bounds(which, lam)
    assert low - 1e-9 <= routed[0] <= high + 1e-9


def test_lambda_is_the_worth_of_the_judge():
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], 5_000)
    assert tuned_lambda(y, y, 0.2) == pytest.approx(1.0)
    assert tuned_lambda(rng.choice([-1.0, 1.0], 5_000), y, 0.2) < 0.05
    assert tuned_lambda(-y, y, 0.2) == 0.0
    assert tuned_lambda(np.zeros(5), np.ones(5), 0.2) == 0.0
    assert tuned_lambda(y, y, 1.0) == 0.0


def test_the_tuned_lambda_varies_least():
    rng = np.random.default_rng(1)
    y = rng.choice([-1.0, 0.0, 0.97], 40_000)
    f = np.where(rng.random(40_000) < 0.7, y, rng.choice([-1.0, 0.0, 0.97], 40_000))
    which = drawn(40_000, 0.25, 2)
    best = tuned_lambda(f, y, 0.25)
    spread = {lam: corrected(f, y, which, lam).var() for lam in (0.0, best, 1.0)}
    assert spread[best] == min(spread.values())


def test_corrected_qualities_can_be_certified():
    rng = np.random.default_rng(0)
    n = 4_000
    top = np.ones(n)
    routed = (rng.random(n) < 0.99).astype(float)
    judged = np.where(rng.random(n) < 0.95, routed, 1 - routed)
    which = drawn(n, 0.5)
    quality, best = corrected(judged, routed, which, 0.8), corrected(top, top, which, 0.8)
    verdict = quality_ratio(quality, best, eps=0.1, delta=0.1, units=row_units(n, seed=0), span=span(which, 0.8))
    assert verdict.selected == 1
    assert verdict.estimate == pytest.approx(0.99, abs=0.02)


def test_the_interval_covers_and_is_narrower_than_gold_alone():
    covered, widths, alone = 0, [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        gold = (rng.random(1_000) < 0.8).astype(float)
        judged = np.where(rng.random(1_000) < 0.9, gold, 1 - gold)
        few = np.arange(1_000) < 200
        found = mean_interval(judged, gold, few, 0.1)
        covered += found.low <= 0.8 <= found.high
        widths.append(found.high - found.low)
        only = mean_interval(np.zeros(1_000), gold, few, 0.1)
        alone.append(only.high - only.low)
    assert covered >= 252  # 0.9 of 300, less four standard errors
    assert np.mean(widths) < 0.85 * np.mean(alone)


def test_gold_labels_alone_give_the_usual_interval():
    found = mean_interval(np.full(10, np.nan), np.arange(10.0), np.ones(10, dtype=bool), 0.1)
    assert (found.estimate, found.lam) == (4.5, 0.0)


@pytest.mark.parametrize("propensity", [0.0, 1.2, float("nan")])
def test_a_propensity_is_a_chance_above_0(propensity):
    with pytest.raises(DataError, match="propensities"):
        drawn(3, propensity)


def test_what_cannot_be_corrected_is_refused():
    which = Gold(np.array([True, False]), np.array([0.5, 0.5]))
    with pytest.raises(DataError, match="gold labels"):
        corrected([1.0, 1.0], [np.nan, 1.0], which, 0.5)
    with pytest.raises(DataError, match="lambda"):
        corrected([1.0, 1.0], [1.0, 1.0], which, 1.5)
    with pytest.raises(DataError, match="gold labels"):
        mean_interval([1.0, 1.0], [1.0, 1.0], np.array([True, False]), 0.1)
    with pytest.raises(DataError, match="propensities"):
        Gold(np.array([True]), np.array([0.5, 0.5]))
