"""Tiers and prices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import PORTFOLIO

from routenlp.errors import SettingsError
from routenlp.portfolio.prices import Price, count_tokens
from routenlp.portfolio.tiers import Portfolio, Tier


def test_a_million_tokens_cost_the_listed_price():
    assert Price(2.0, 6.0).cost_usd(1_000_000, 500_000) == pytest.approx(5.0)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_costs_add_up(a, b, c, d):
    price = Price(3.0, 7.0)
    assert price.cost_usd(a + c, b + d) == pytest.approx(price.cost_usd(a, b) + price.cost_usd(c, d))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(value):
    with pytest.raises(SettingsError, match=r"price\.output_usd_per_mtok"):
        Price(1.0, value)


def test_tokens_are_words_and_marks():
    assert count_tokens("Don't pay $5!") == 7
    assert count_tokens("") == 0


def test_the_last_tier_is_the_top():
    assert (PORTFOLIO.top, PORTFOLIO.position("mid")) == ("top", 1)


def test_an_unknown_tier_is_named():
    with pytest.raises(SettingsError, match="'huge'"):
        PORTFOLIO.position("huge")


def tier(name, price):
    return Tier(name, "recorded", Price(price, price))


@pytest.mark.parametrize(
    ("tiers", "message"),
    [((), "is empty"), ((tier("a", 1), tier("a", 2)), "repeat"), ((tier("a", 2), tier("b", 1)), "cheapest first")],
)
def test_a_portfolio_that_is_none_is_refused(tiers, message):
    with pytest.raises(SettingsError, match=message):
        Portfolio(tiers)
