"""The three rates that a "violation rate" could mean, each under its own name with its own interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.binomial import lower_bound, upper_bound
from routenlp.conformal.walk import check_level

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `of` rows, with an exact two-sided interval for independent rows (Clopper and Pearson 1934)."""

    count: int
    of: int
    low: float
    high: float

    @property
    def estimate(self) -> float | None:
        """None where there was no row to look at."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Rates:
    """What one policy did on one set of rows."""

    escalated_given_correct: Rate
    """Of the cheap tiers' answers that were handled, the share escalated: what rule `paper` bounds."""
    accepted_and_failed: Rate
    """Of all queries, the share answered by a cheap tier, and failed: what rule `joint` bounds."""
    failed_given_accepted: Rate
    """Of the queries answered by a cheap tier, the share that failed: what rule `conditional` bounds."""


def rates(correct: Bools, escalated: Bools, cheap: Bools, failed: Bools, *, confidence: float = 0.95) -> Rates:
    """Count each rate.

    `correct`, `escalated`: for each answer that a cheap tier gave, shape (answers,). `cheap`, `failed`: for each query,
    whether a cheap tier's answer was the final one, and whether the final one failed, shape (queries,).
    """
    accepted = int(cheap.sum())
    lost = int((cheap & failed).sum())
    return Rates(
        rate(int((correct & escalated).sum()), int(correct.sum()), confidence),
        rate(lost, len(cheap), confidence),
        rate(lost, accepted, confidence),
    )


def rate(count: int, of: int, confidence: float = 0.95) -> Rate:
    """A share with its interval; [0, 1] where there was no row."""
    check_level("confidence", confidence)
    tail = (1.0 - confidence) / 2.0
    return Rate(count, of, lower_bound(count, of, tail), upper_bound(count, of, tail))
