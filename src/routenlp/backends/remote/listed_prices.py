"""Prices of well-known models, from a list that works offline. What is not on it has no price."""

from __future__ import annotations

from routenlp.errors import UnknownPrice
from routenlp.portfolio.prices import Price

_REMEDY = "Give price: {input_usd_per_mtok: ..., output_usd_per_mtok: ...}."
_TOKENS = 1_000
"""Priced at a time: few, for some models cost more from some length on."""


def listed_price(tier: str, model: str, base_url: str) -> Price:
    """USD per million tokens of `model` at the provider of `base_url`; raises `UnknownPrice` where none is listed.

    Only the provider that the address belongs to is looked at: another one's price for a model of that name is not
    what this endpoint bills. Where the list knows no price of cached tokens, they cost what fresh input does.
    """
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError as exc:
        raise UnknownPrice(f"portfolio.{tier}.price", "is not given, and no list is installed", _REMEDY) from exc

    def usd(**tokens: int) -> float:
        found = calc_price(Usage(**tokens), model_ref=model, provider_api_url=base_url)
        return float(found.total_price) * 1e6 / _TOKENS

    try:
        return Price(
            usd(input_tokens=_TOKENS),
            usd(output_tokens=_TOKENS),
            usd(input_tokens=_TOKENS, cache_read_tokens=_TOKENS),
            usd(input_tokens=_TOKENS, cache_write_tokens=_TOKENS),
            usd(input_tokens=_TOKENS, cache_write_tokens=_TOKENS, cache_write_1h_tokens=_TOKENS),
        )
    except LookupError as exc:
        raise UnknownPrice(
            f"portfolio.{tier}.price", f"is not given, and {model!r} at {base_url} is on no list", _REMEDY
        ) from exc
