"""What tokens cost, cached ones among them."""

from __future__ import annotations

import pytest

from routenlp.errors import SettingsError
from routenlp.portfolio.prices import Cached, Price

MILLION = 1_000_000


def test_cached_tokens_are_priced_apart():
    price = Price(3.0, 15.0, 0.3, 3.75, 6.0)
    cached = Cached(read=2 * MILLION, write=MILLION, write_1h=MILLION)
    assert price.cost_usd(5 * MILLION, 0, cached) == pytest.approx(3.0 + 2 * 0.3 + 3.75 + 6.0)


def test_a_cache_price_that_is_not_given_is_never_nothing():
    price = Price(3.0, 15.0)
    assert price.cost_usd(MILLION, 0, Cached(read=MILLION)) == pytest.approx(3.0)
    assert price.cost_usd(MILLION, 0, Cached(write=MILLION)) == pytest.approx(6.0)
    assert price.cost_usd(MILLION, 0, Cached(write_1h=MILLION)) == pytest.approx(6.0)
    assert Price(3.0, 15.0, 0.0).cost_usd(MILLION, 0, Cached(read=MILLION)) == 0.0, "given is given"


@pytest.mark.parametrize("wrong", [-1.0, float("inf"), float("nan")])
def test_a_cache_price_that_cannot_be_is_refused(wrong):
    with pytest.raises(SettingsError, match="cache_read_usd_per_mtok"):
        Price(1.0, 1.0, cache_read_usd_per_mtok=wrong)
