"""Answers of tiers that report no tokens: counted, and priced by the count."""

from __future__ import annotations

from routenlp.portfolio.prices import count_tokens
from routenlp.portfolio.tiers import Tier
from routenlp.types import Answer, Prediction, Query


def counted(
    tier: Tier, query: Query, prediction: Prediction, latency_s: float, tokens: tuple[int, int] | None = None
) -> Answer:
    """The answer that a prediction makes at the tier's price. `tokens`: read and written, where that is known."""
    read, written = tokens or (count_tokens(query.text), count_tokens(prediction.text))
    cost_usd = tier.price.cost_usd(read, written)
    return Answer(tier.name, prediction.text, prediction.token_probs, read, written, cost_usd, latency_s)
