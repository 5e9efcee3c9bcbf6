"""Prices from the list, those of cached tokens among them."""

from __future__ import annotations

import pytest

from routenlp.backends.remote.listed_prices import listed_price
from routenlp.errors import UnknownPrice


def test_cached_tokens_have_prices_of_their_own():
    price = listed_price("t", "claude-sonnet-4-5", "https://api.anthropic.com/v1")
    assert price.output_usd_per_mtok > price.input_usd_per_mtok > price.cache_read_usd_per_mtok > 0.0
    assert price.cache_write_1h_usd_per_mtok > price.cache_write_usd_per_mtok > price.input_usd_per_mtok


def test_where_the_list_knows_no_price_of_writing_it_is_that_of_reading_afresh():
    price = listed_price("t", "gpt-4o", "https://api.openai.com/v1")
    assert price.cache_write_usd_per_mtok == price.input_usd_per_mtok > price.cache_read_usd_per_mtok > 0.0


def test_another_providers_price_is_none():
    with pytest.raises(UnknownPrice):
        listed_price("t", "claude-sonnet-4-5", "http://127.0.0.1:1/v1")
