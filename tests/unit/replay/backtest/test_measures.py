"""Router measures against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.replay.backtest.measures import aiq, apgr, auroc, cpt, pgr, quality_cost_hull


def hull(*points: tuple[float, float]):
    cost, quality = np.array(points, dtype=float).T
    return quality_cost_hull(cost, quality)


def corners(found):
    return list(zip(found.cost.tolist(), found.quality.tolist(), strict=True))


def test_the_hull_begins_at_no_answer_and_drops_what_a_mixture_beats():
    # On the line from (1, 0.5) to (4, 0.8) the quality at cost 2 is 0.6.
    assert corners(hull((1, 0.5), (2, 0.59), (4, 0.8))) == [(0, 0), (1, 0.5), (4, 0.8)]
    assert corners(hull((1, 0.5), (2, 0.61), (4, 0.8))) == [(0, 0), (1, 0.5), (2, 0.61), (4, 0.8)]


def test_the_hull_drops_what_is_dearer_and_no_better():
    assert corners(hull((1, 0.5), (2, 0.5), (3, 0.4))) == [(0, 0), (1, 0.5)]


def test_of_two_policies_at_one_cost_the_better_counts():
    assert corners(hull((1, 0.3), (1, 0.5))) == [(0, 0), (1, 0.5)]


def test_the_hull_says_what_a_budget_buys_and_what_a_quality_costs():
    found = hull((1, 0.5), (4, 0.8))
    assert found.at(np.array([0.5, 2.5, 9.0])) == pytest.approx([0.25, 0.65, 0.8])
    assert found.cost_of(0.65) == pytest.approx(2.5)
    assert found.cost_of(0.81) is None


def test_aiq_is_the_mean_height_of_the_hull():
    # From 1 to 4 a trapezium of mean height 0.65, from 4 to 5 a level at 0.8.
    assert aiq(hull((1, 0.5), (4, 0.8)), 1.0, 5.0) == pytest.approx((3 * 0.65 + 0.8) / 4)


def test_aiq_between_two_models_is_the_mean_of_their_qualities():
    assert aiq(hull((1, 0.4), (10, 0.8)), 1.0, 10.0) == pytest.approx(0.6)


def test_aiq_of_a_system_without_a_cheap_policy_counts_the_way_there_from_nothing():
    # From 1 to 2: from half of 0.8 up to 0.8.
    assert aiq(hull((2, 0.8)), 1.0, 3.0) == pytest.approx((0.6 + 0.8) / 2)


def test_aiq_needs_a_range():
    with pytest.raises(ValueError, match="no range"):
        aiq(hull((1, 0.5)), 1.0, 1.0)


def test_pgr_is_the_share_of_the_gap():
    assert pgr(np.array([0.6, 0.7, 0.9]), 0.6, 0.8) == pytest.approx([0.0, 0.5, 1.5])
    with pytest.raises(ValueError, match="no gap"):
        pgr(np.array([0.6]), 0.6, 0.6)


def test_apgr_of_a_random_router_is_a_half():
    share = np.linspace(0.0, 1.0, 11)
    assert apgr(share, share) == pytest.approx(0.5)


def test_apgr_by_hand():
    # (0, 0) to (0.25, 0.75): 0.09375; on to (1, 1): 0.75 * 0.875. The order of policies does not matter.
    assert apgr(np.array([0.25]), np.array([0.75])) == pytest.approx(0.75)
    assert apgr(np.array([0.5, 0.25]), np.array([0.9, 0.75])) == pytest.approx(0.09375 + 0.25 * 0.825 + 0.5 * 0.95)


def test_cpt_is_where_the_curve_first_reaches_the_target():
    share, recovered = np.array([0.25, 0.5]), np.array([0.6, 0.8])
    assert cpt(share, recovered, 0.5) == pytest.approx(0.25 * 0.5 / 0.6)
    assert cpt(share, recovered, 0.8) == pytest.approx(0.5)
    assert cpt(share, recovered, 0.9) == pytest.approx(0.75)
    assert cpt(share, recovered, 0.0) == 0.0
    with pytest.raises(ValueError, match="target"):
        cpt(share, recovered, 50.0)


def test_auroc_counts_pairs_in_order_and_halves_ties():
    quality = np.array([1.0, 0.0, 1.0, 0.0])
    assert auroc(np.array([0.9, 0.8, 0.3, 0.1]), quality) == pytest.approx(3 / 4)
    assert auroc(np.full(4, 0.5), quality) == pytest.approx(0.5)
    assert auroc(np.array([0.9, np.nan, np.nan, 0.1]), quality) == 1.0
    assert auroc(np.array([0.9, np.nan, 0.3, np.nan]), quality) is None


points = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=12)


@given(points)
def test_no_policy_lies_over_the_hull_and_it_never_falls(found):
    over = hull(*found)
    assert all(over.at(cost) >= quality - 1e-9 for cost, quality in found)
    assert (np.diff(over.quality) > 0).all()
    slopes = np.diff(over.quality) / np.diff(over.cost)
    assert (np.diff(slopes) <= 1e-9).all()


@given(points, st.tuples(st.floats(0.01, 10), st.floats(0, 1)))
def test_one_more_policy_never_takes_from_aiq(found, more):
    assert aiq(hull(*found, more), 0.5, 5.0) >= aiq(hull(*found), 0.5, 5.0) - 1e-9
