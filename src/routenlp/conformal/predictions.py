"""Many judged rows and a few gold ones: qualities that are right on average, whatever the judge is worth.

A judge grades every audit; a random part, each row with a known propensity pi, gets a gold label as well. Per row

    corrected = lambda * judged + 1{gold} / pi * (gold - lambda * judged),

whose mean over the draw of gold rows is the gold quality for *every* lambda: a biased judge costs power, never truth
(prediction-powered inference, Angelopoulos et al. 2023; lambda as in PPI++, Angelopoulos, Duchi and Zrnic 2023). The
correction is linear, so Z = r q_top - q_routed of corrected qualities is the corrected Z and lies in [-span, span] with
span = (1 + lambda (1 - pi)) / pi: bounded by the smallest propensity, which is what betting needs. lambda must come
from rows that are not tested; 0 ignores the judge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routenlp.conformal.walk import check_level
from routenlp.errors import DataError
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Gold:
    """Which rows were drawn for a gold label, and how likely each was to be, known before any answer was seen."""

    drawn: NDArray[np.bool_]
    """Shape (n,)."""
    propensity: FloatArray
    """In (0, 1], shape (n,)."""

    def __post_init__(self) -> None:
        if self.drawn.shape != self.propensity.shape:
            raise DataError("propensities", f"are {self.propensity.shape}", f"Give {self.drawn.shape}: one a row.")
        if not ((self.propensity > 0.0) & (self.propensity <= 1.0)).all():
            raise DataError("propensities", "leave (0, 1]", "Log the chance with which each row was drawn.")


def corrected(judged: ArrayLike, gold: ArrayLike, which: Gold, lam: float) -> FloatArray:
    """Per-row values with the mean of `gold`, shape (..., n) like both arguments.

    `gold` counts only where `which.drawn`; elsewhere it may be NaN. `lam` in [0, 1], from `tuned_lambda` on other rows.
    Promise: unbiased over the draw of gold rows for every judge and every `lam`. Values in [0, 1] give results in
    `loss_bounds`, and differences in `span`.
    """
    _check_lambda(lam)
    trusted = lam * np.asarray(judged, dtype=np.float64)
    known = np.where(which.drawn, np.asarray(gold, dtype=np.float64), 0.0)
    if np.isnan(known).any():
        raise DataError("gold labels", "are NaN on rows drawn for one", "Grade every row that was drawn.")
    weight = which.drawn / which.propensity
    return np.asarray(trusted + weight * (known - trusted), dtype=np.float64)


def span(which: Gold, lam: float) -> float:
    """Largest |r q_top - q_routed| of corrected qualities, r in [0, 1]: the `span` of rule `quality_ratio`."""
    least = _least(which)
    return (1.0 + lam * (1.0 - least)) / least


def loss_bounds(which: Gold, lam: float) -> tuple[float, float]:
    """Smallest and largest corrected loss, where losses are 0 or 1: the `bounds` of rule `joint`."""
    least = _least(which)
    return -lam * (1.0 - least) / least, max(1.0 / least, lam)


def tuned_lambda(judged: ArrayLike, gold: ArrayLike, propensity: float) -> float:
    """The lambda in [0, 1] under which corrected values vary least when gold labels come with this propensity.

    `judged` and `gold`: the tested variable Z on rows with both, shape (n,), from a fold that is not tested. As a draw
    with propensity pi has variance E[gold^2] / pi - (1 - pi) / pi (2 lambda E[gold judged] - lambda^2 E[judged^2]) up
    to a constant, the best is E[gold judged] / E[judged^2]. At propensity 1 the judge has nothing to add: 0.
    """
    f, y = np.asarray(judged, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    power = float(f @ f)
    if power == 0.0 or propensity >= 1.0:
        return 0.0
    return min(1.0, max(0.0, float(f @ y) / power))


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its asymptotic two-sided interval."""

    estimate: float
    low: float
    high: float
    lam: float


def mean_interval(judged: ArrayLike, gold: ArrayLike, drawn: NDArray[np.bool_], delta: float) -> MeanInterval:
    """PPI++ interval of E[gold] at confidence 1 - delta: power-tuned, ASYMPTOTIC, never wider than gold alone in the
    limit.

    All of shape (n,); gold rows drawn uniformly at random. With n gold and N other rows, lambda = cov(gold, judged) /
    ((1 + n / N) var(judged)) and the estimate is lambda mean(judged, others) + mean(gold - lambda judged, gold rows).
    """
    check_level("delta", delta)
    f, y = np.asarray(judged, dtype=np.float64), np.asarray(gold, dtype=np.float64)[drawn]
    few, many = f[drawn], f[~drawn]
    n, others = len(few), len(many)
    if n < 2:
        raise DataError("gold labels", f"are {n}", "An interval needs at least 2.")
    lam = 0.0
    if others >= 2 and few.var() > 0.0:
        lam = float(np.cov(y, few)[0, 1]) / ((1.0 + n / others) * float(f.var(ddof=1)))
    rest = y - lam * few if lam else y
    estimate, variance = float(rest.mean()), float(rest.var(ddof=1)) / n
    if lam:
        estimate += lam * float(many.mean())
        variance += lam**2 * float(many.var(ddof=1)) / others
    half = NormalDist().inv_cdf(1.0 - delta / 2.0) * math.sqrt(variance)
    return MeanInterval(estimate, estimate - half, estimate + half, lam)


def _least(which: Gold) -> float:
    return float(which.propensity.min()) if len(which.propensity) else 1.0


def _check_lambda(lam: float) -> None:
    if not 0.0 <= lam <= 1.0:
        raise DataError("lambda", f"is {lam}", "Choose a value in [0, 1]; 0 ignores the judge.")
