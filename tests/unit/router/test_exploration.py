"""Exploration: how often which tier is drawn, what is logged, and what comes back from storage."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.router.test_learned import ROUTER, TIERS
from tests.unit.worlds import FixedRouter

from routenlp.errors import SettingsError
from routenlp.router.exploration import Exploration, ExploringRouter, propensities
from routenlp.types import Propensity, Query

EXPLORE = Exploration(0.3, TIERS)


def exploring(explore: Exploration = EXPLORE, *, first: str = "small", seed: int = 0, **by_task) -> ExploringRouter:
    return ExploringRouter(FixedRouter(first), explore, seed, by_task)


def routes(router, n: int = 4_000):
    return [router.route(Query(str(i), "intent", "hi")) for i in range(n)]


def test_tiers_are_drawn_as_often_as_the_propensities_say():
    found = routes(exploring())
    shares = Counter(route.first for route in found)
    for propensity in found[0].propensities:
        assert shares[propensity.tier] / len(found) == pytest.approx(propensity.probability, abs=0.03)
    assert [p.probability for p in found[0].propensities] == pytest.approx([0.8, 0.1, 0.1])


def test_the_draw_is_fixed_by_seed_and_id():
    assert routes(exploring()) == routes(exploring())
    assert routes(exploring()) != routes(exploring(seed=1))


@given(st.floats(0, 1), st.lists(st.sampled_from(TIERS), min_size=1, unique=True), st.sampled_from(TIERS), st.text())
def test_the_first_tier_always_has_a_propensity_and_they_sum_to_one(epsilon, allowed, first, query_id):
    route = exploring(Exploration(epsilon, tuple(allowed)), first=first).route(Query(query_id, "intent", "hi"))
    by_tier = {p.tier: p.probability for p in route.propensities}
    assert by_tier[route.first] > 0.0
    assert sum(by_tier.values()) == pytest.approx(1.0)
    assert by_tier.keys() == {*allowed, first}


def test_a_choice_that_may_not_be_drawn_keeps_the_rest():
    assert propensities("top", Exploration(0.2, ("small", "mid"))) == (
        Propensity("small", 0.1),
        Propensity("mid", 0.1),
        Propensity("top", 0.8),
    )


def test_a_task_may_have_its_own_exploration():
    found = routes(exploring(intent=Exploration(0.0, TIERS)))
    assert {route.first for route in found} == {"small"}
    assert found[0].propensities[0] == Propensity("small", 1.0)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_not_explored(text):
    router = ExploringRouter(ROUTER, Exploration(1.0, TIERS), 0)
    found = [router.route(Query(str(i), "intent", text)) for i in range(50)]
    assert {route.first for route in found} == {"top"}
    assert found[0].propensities == (Propensity("top", 1.0),)


def test_the_reason_and_the_estimates_are_kept_unless_another_tier_was_drawn():
    router = ExploringRouter(ROUTER, EXPLORE, 0)
    kinds = {"drawn at random" in router.route(Query(str(i), "intent", "a")).reason for i in range(50)}
    assert kinds == {True, False}
    assert router.route(Query("0", "intent", "a")).estimates == ROUTER.route(Query("0", "intent", "a")).estimates


@given(st.text(max_size=100), st.text(max_size=20))
def test_it_never_fails_on_text(text, query_id):
    assert ExploringRouter(ROUTER, EXPLORE, 0).route(Query(query_id, "intent", text)).first in TIERS


def test_an_odd_query_id_is_drawn_for():
    assert exploring().route(Query("\ud800", "intent", "hi")).first in TIERS


def test_it_comes_back_from_its_parts():
    router = exploring(extract=Exploration(0.01, ("mid", "top")))
    back = ExploringRouter.from_parts(router.parts(), lambda inner: FixedRouter(str(inner.meta["first"])))
    assert back == router


@pytest.mark.parametrize(("epsilon", "tiers"), [(-0.1, TIERS), (1.1, TIERS), (float("nan"), TIERS), (0.1, ())])
def test_impossible_settings_are_refused(epsilon, tiers):
    with pytest.raises(SettingsError, match="exploration"):
        Exploration(epsilon, tiers)


def test_a_tier_named_twice_is_refused():
    with pytest.raises(SettingsError, match="once"):
        Exploration(0.1, ("small", "small"))
