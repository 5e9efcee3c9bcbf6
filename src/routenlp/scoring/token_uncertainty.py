"""Uncertainty from token probabilities: the paper's mean, and two that one doubtful token among many cannot hide from.

mean  u = (1/L) * sum_i (1 - p(y_i | y_<i, x))                        (RouteNLP, section on the cascade)
max   the largest 1 - p(y_i | y_<i, x): the least sure token
tail  the mean of the largest tenth of them, one token at least
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routenlp.types import Answer, Parts, Route

TAIL_SHARE = 0.1


def mean_uncertainty(token_probs: Sequence[float] | None) -> float | None:
    """u in [0, 1]; None when there is no probability, or when one is not a probability (NaN, under 0, over 1)."""
    return _of(token_probs, lambda probs: 1.0 - math.fsum(probs) / len(probs))


def max_uncertainty(token_probs: Sequence[float] | None) -> float | None:
    """Of the least sure token, in [0, 1]; None as for the mean."""
    return _of(token_probs, lambda probs: 1.0 - min(probs))


def tail_uncertainty(token_probs: Sequence[float] | None) -> float | None:
    """Mean over the least sure `TAIL_SHARE` of tokens, rounded up to a whole token; None as for the mean."""
    return _of(token_probs, _tail)


def _tail(probs: Sequence[float]) -> float:
    least = sorted(probs)[: math.ceil(TAIL_SHARE * len(probs))]
    return 1.0 - math.fsum(least) / len(least)


def _of(token_probs: Sequence[float] | None, measure: Callable[[Sequence[float]], float]) -> float | None:
    if not token_probs or not all(0.0 <= p <= 1.0 for p in token_probs):
        return None
    return min(max(measure(token_probs), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class TokenUncertainty:
    """`Scorer` that takes u from the answer's own token probabilities."""

    def score(self, answer: Answer, route: Route | None = None) -> float | None:  # noqa: ARG002 - the contract's
        """The paper's u of this answer."""
        return mean_uncertainty(answer.token_probs)

    def parts(self) -> Parts:
        """For storage; there is nothing to fit."""
        return Parts("scorer/token_uncertainty", {}, {})
