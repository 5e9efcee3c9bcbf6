"""Prices of tiers, and the token count that they apply to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from routenlp.errors import SettingsError

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Words and punctuation marks: the billing unit of tiers that report no usage of their own.

    The same count applies to every such tier, so that a ratio of costs is a ratio of prices.
    """
    return sum(1 for _ in _TOKEN.finditer(text))


def first_tokens(text: str, most: int) -> str:
    """`text` as far as its first `most` words and marks go; all of it where it has no more."""
    for number, token in enumerate(_TOKEN.finditer(text), 1):
        if number > most:
            return text[: token.start()].rstrip()
    return text


@dataclass(frozen=True, slots=True)
class Cached:
    """Tokens of the input that a provider's prompt cache gave (`read`) or took (`write`; `write_1h`: for an hour)."""

    read: int = 0
    write: int = 0
    write_1h: int = 0


NOTHING_CACHED = Cached()


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, read (input) and written (output). Never negative, never unknown.

    A price of cached tokens that is not given is taken to be as dear as it can be: a read costs what fresh input
    does, and a write twice that.
    """

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cache_read_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None
    """Kept for minutes."""
    cache_write_1h_usd_per_mtok: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and (not math.isfinite(value) or value < 0.0):
                raise SettingsError(f"price.{name}", f"is {value}", "Give USD per million tokens, 0 or more.")

    def cost_usd(self, input_tokens: int, output_tokens: int, cached: Cached = NOTHING_CACHED) -> float:
        """What one answer costs, in USD. `cached` is part of `input_tokens`, and priced apart."""
        if cached is NOTHING_CACHED:
            return (input_tokens * self.input_usd_per_mtok + output_tokens * self.output_usd_per_mtok) / 1e6
        fresh = max(input_tokens - cached.read - cached.write - cached.write_1h, 0)
        return self.cost_usd(fresh, output_tokens) + self._cached_usd(cached)

    def saved_by_cache_usd(self, tokens: int) -> float:
        """How much less so many input tokens cost where the prompt cache gives them; 0 where it is no cheaper."""
        read = _or(self.cache_read_usd_per_mtok, self.input_usd_per_mtok)
        return max(tokens * (self.input_usd_per_mtok - read) / 1e6, 0.0)

    def _cached_usd(self, cached: Cached) -> float:
        dearest = 2.0 * self.input_usd_per_mtok
        return (
            cached.read * _or(self.cache_read_usd_per_mtok, self.input_usd_per_mtok)
            + cached.write * _or(self.cache_write_usd_per_mtok, dearest)
            + cached.write_1h * _or(self.cache_write_1h_usd_per_mtok, dearest)
        ) / 1e6


def _or(price: float | None, otherwise: float) -> float:
    return otherwise if price is None else price
