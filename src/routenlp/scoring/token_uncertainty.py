"""The paper's uncertainty: u = (1/L) * sum_i (1 - p(y_i | y_<i, x)) (RouteNLP, section on the cascade)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.types import Answer, Parts


def mean_uncertainty(token_probs: Sequence[float] | None) -> float | None:
    """u in [0, 1]; None when there is no probability, or when one is not a probability (NaN, under 0, over 1)."""
    if not token_probs:
        return None
    u = 1.0 - math.fsum(token_probs) / len(token_probs)
    sane = all(0.0 <= p <= 1.0 for p in token_probs)
    return min(max(u, 0.0), 1.0) if sane else None


@dataclass(frozen=True, slots=True)
class TokenUncertainty:
    """`Scorer` that takes u from the answer's own token probabilities."""

    def score(self, answer: Answer) -> float | None:
        """The paper's u of this answer."""
        return mean_uncertainty(answer.token_probs)

    def parts(self) -> Parts:
        """For storage; there is nothing to fit."""
        return Parts("scorer/token_uncertainty", {}, {})
