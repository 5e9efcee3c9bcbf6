"""Which models become tiers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import SettingsError
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import MOST, asked_tiers, efficient_tiers


def table(*models: tuple[float, float]) -> OutcomeTable:
    """Models m0, m1, ... with these (cost, quality), in order of cost."""
    models = tuple(sorted(models))
    cost, quality = np.array([models]).T.reshape(2, 1, -1)
    nothing = np.full(cost.shape, np.nan)
    names = tuple(f"m{k}" for k in range(len(models)))
    return OutcomeTable(names, ("q",), ("t",), ("q",), None, None, quality, cost, nothing, nothing, nothing, "recorded")


def test_a_dominated_model_goes_and_its_better_is_named():
    tiers = efficient_tiers(table((1.0, 0.5), (2.0, 0.4), (3.0, 0.9), (4.0, 0.9)))
    assert tiers.names == ("m0", "m2")
    assert [d.what for d in tiers.dropped] == ["model m1", "model m3"]
    assert (
        tiers.dropped[0].why == "m0 costs no more (USD 1 and USD 2 a query) and is at least as good (0.500 and 0.400)"
    )


def test_of_equal_models_one_stays():
    assert efficient_tiers(table((1.0, 0.5), (1.0, 0.5), (2.0, 0.6))).names == ("m0", "m2")


def test_a_model_under_the_hull_stays_while_there_is_room():
    assert efficient_tiers(table((1.0, 0.5), (2.0, 0.55), (3.0, 0.9))).names == ("m0", "m1", "m2")


def test_too_many_models_are_thinned_along_the_hull():
    models = [(1.0, 0.30), (2.0, 0.50), (3.0, 0.65), (3.1, 0.651), (4.0, 0.75), (6.0, 0.85), (20.0, 0.9)]
    tiers = efficient_tiers(table(*models))
    assert len(tiers.names) == MOST
    assert tiers.names[-1] == "m6"
    assert "m3" not in tiers.names
    assert {d.what for d in tiers.dropped} | {f"model {m}" for m in tiers.names} == {f"model m{k}" for k in range(7)}


def test_a_model_that_is_cheapest_and_best_is_the_only_tier_and_that_is_said():
    tiers = efficient_tiers(table((1.0, 0.9), (2.0, 0.4)))
    assert tiers.names == ("m0",)
    assert "m0 is the cheapest model and the best" in tiers.notes[0]


def test_a_model_that_costs_nothing_is_a_tier():
    assert efficient_tiers(table((0.0, 0.5), (1.0, 0.9))).names == ("m0", "m1")


points = st.tuples(st.integers(0, 50), st.integers(0, 50))


@given(st.lists(points, min_size=1, max_size=20), st.integers(2, 5))
def test_tiers_rise_in_cost_and_quality_end_at_the_best_and_account_for_every_model(models, most):
    outcomes = table(*((float(c), q / 50) for c, q in models))
    tiers = efficient_tiers(outcomes, most=most)
    at = [outcomes.position(name) for name in tiers.names]
    assert (np.diff(outcomes.mean_cost_usd[at]) > 0).all()
    assert (np.diff(outcomes.mean_quality[at]) > 0).all()
    assert outcomes.mean_quality[at[-1]] == outcomes.mean_quality.max()
    assert len(at) <= most
    assert sorted([*tiers.names, *(d.what.removeprefix("model ") for d in tiers.dropped)]) == sorted(outcomes.models)


def test_tiers_asked_for_keep_their_order_and_what_speaks_against_it_is_noted():
    tiers = asked_tiers(table((1.0, 0.5), (2.0, 0.9), (3.0, 0.7)), ["m1", "m0", "m2"])
    assert tiers.names == ("m1", "m0", "m2")
    assert tiers.notes == (
        "m0 is asked for after m1, and costs less (mean USD 1 and USD 2).",
        "m2 is asked for as the top tier, and m1 is better (mean quality 0.900 and 0.700).",
    )


def test_models_not_asked_for_are_named():
    [dropped] = asked_tiers(table((1.0, 0.5), (2.0, 0.9), (3.0, 0.95)), ["m0", "m2"]).dropped
    assert (dropped.what, dropped.why) == ("model m1", "it is not among the tiers asked for")


@pytest.mark.parametrize("names", [["m0"], ["m0", "m0"], ["m0", "x"], [f"m{k}" for k in range(6)]])
def test_tiers_that_cannot_be_are_refused(names):
    with pytest.raises(SettingsError, match="tiers"):
        asked_tiers(table(*((float(k), k / 10) for k in range(7))), names)
