"""Small worlds that several tests share: a portfolio, made answers, recorded rows, a router with fixed estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.contracts import StopRule
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.recorded import Recorded
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Answer, Parts, Query, Route, Task

TIERS = ("small", "mid", "top")
PRICES = (10.0, 100.0, 8000.0)
PORTFOLIO = Portfolio(tuple(Tier(n, "recorded", Price(p, p)) for n, p in zip(TIERS, PRICES, strict=True)))
TASK = Task("intent", "accuracy", 1.0, 0.2)


@dataclass(frozen=True)
class FixedRouter:
    """Begins every query at `first`."""

    first: str = "small"

    def route(self, query: Query) -> Route:
        return Route(query.task, self.first, (), "fixed")

    def parts(self) -> Parts:
        return Parts("router/fixed", {}, {"first": self.first})


def answer(tier: str, u: float | None = 0.1, *, text: str = "a", cost_usd: float = 1.0) -> Answer:
    """An answer whose paper's uncertainty is exactly `u`."""
    return Answer(tier, text, None if u is None else (1.0 - u,), 10, 1, cost_usd, 0.01)


def policy(rule: StopRule | None = None, *, first: str = "small") -> Policy:
    """The three-tier policy over one task; no thresholds unless a rule is given."""
    return Policy(PORTFOLIO, {"intent": TASK}, FixedRouter(first), TokenUncertainty(), rule or thresholds({}))


def thresholds(limits: Mapping[str, float]) -> ThresholdCascade:
    """A threshold cascade for the one task."""
    return ThresholdCascade(TIERS, {"intent": dict(limits)})


def recorded(quality: Sequence[Sequence[float]], score: Sequence[Sequence[float]]) -> Recorded:
    """Rows x tiers, priced as PRICES for one token each; scores are as given, NaN for none."""
    n = len(quality)
    q, s = np.array(quality, dtype=float).reshape(n, 3), np.array(score, dtype=float).reshape(n, 3)
    cost = np.tile(np.array(PRICES) / 1e6, (n, 1))
    answers = tuple(
        tuple(
            answer(t, None if np.isnan(u) else float(u), cost_usd=c)
            for t, u, c in zip(TIERS, s[i], cost[i], strict=True)
        )
        for i in range(n)
    )
    ids = tuple(f"q{i}" for i in range(n))
    return Recorded("intent", TIERS, 1.0, ids, ids, answers, q, s, cost, np.full((n, 3), 0.01))
