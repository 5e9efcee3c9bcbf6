"""From what each row has to do with an estimate to an interval: groups are the unit, and few of them widen it."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.intervals import Interval
from routenlp.replay.off_policy.doubly_robust import Valued

FEWEST_DEGREES = 5.0
"""Of freedom: with fewer, bounds would be made up."""
FEWEST_ROWS = 50.0
"""Effective rows: with fewer, the few draws that carry the estimate may well not have happened, and nothing in the log
shows it."""


def interval(
    valued: Valued,
    groups: NDArray[np.int64],
    *,
    confidence: float,
    effective_rows: float,
    high: float = math.inf,
    floor: float = 0.0,
) -> Interval:
    """Normal interval clustered by group, within [0, high], which the truth is known to lie in.

    Widened as Student's t by the degrees of freedom of the sum of squares: where it rests on a few large weights, they
    are few. No bounds with under `FEWEST_DEGREES` of them, `FEWEST_ROWS` effective rows or `MIN_GROUPS` groups.
    `floor`: the least standard error, so that a log without a single failure does not prove that there is none.
    """
    member = np.unique(groups, return_inverse=True)[1]
    squares = np.asarray(np.bincount(member, weights=valued.influence) ** 2, dtype=np.float64)
    count, total = len(squares), float(squares.sum())
    estimate = min(max(valued.estimate, 0.0), high)
    degrees = degrees_of_freedom(squares)
    if degrees < FEWEST_DEGREES or effective_rows < FEWEST_ROWS or count < MIN_GROUPS:
        return Interval(estimate, None, None)
    error = max(math.sqrt(total * count / (count - 1)) / len(groups), floor)
    half = student_quantile(0.5 + confidence / 2.0, degrees) * error
    return Interval(estimate, min(max(valued.estimate - half, 0.0), high), max(min(valued.estimate + half, high), 0.0))


def degrees_of_freedom(squares: NDArray[np.float64]) -> float:
    """Of a variance that is the mean of these: 2 / squared coefficient of variation (Satterthwaite 1946).

    About their number for normal values, twice the number of large ones where few are large, infinite where all are
    equal.
    """
    mean = float(squares.mean())
    spread = float(((squares - mean) ** 2).mean()) / len(squares)
    return 2.0 * mean**2 / spread if spread else math.inf


def student_quantile(p: float, degrees: float) -> float:
    """Of Student's t for 5 degrees of freedom or more, to 0.002 or so (Abramowitz & Stegun 1964, 26.7.5)."""
    z = NormalDist().inv_cdf(p)
    if math.isinf(degrees):
        return z
    z2 = z * z
    terms = (
        z * (z2 + 1.0) / 4.0,
        z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0,
        z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0,
        z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0) / 92160.0,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))
