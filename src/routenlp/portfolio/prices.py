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


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, read (input) and written (output). Never negative, never unknown."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float

    def __post_init__(self) -> None:
        for name in ("input_usd_per_mtok", "output_usd_per_mtok"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0.0:
                raise SettingsError(f"price.{name}", f"is {value}", "Give USD per million tokens, 0 or more.")

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """What one answer costs, in USD."""
        return (input_tokens * self.input_usd_per_mtok + output_tokens * self.output_usd_per_mtok) / 1e6
