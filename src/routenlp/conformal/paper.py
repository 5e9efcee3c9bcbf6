"""The paper's conformal threshold (RouteNLP, section on the cascade), with its edge cases defined.

Of n calibration answers of one tier on one task, n0 were handled correctly. Sort their uncertainties u; with
r = ceil((1 - alpha)(n0 + 1)) the threshold is the r-th smallest. A new answer escalates if u > threshold.

A new *correct* answer is exchangeable with the n0 calibrated ones, so its rank among the n0 + 1 is uniform when
there are no ties: P(escalated | correct) = 1 - r / (n0 + 1) <= alpha on average over calibration draws, and less
where ties make equal scores pass together. The rule says nothing about answers that are wrong and accepted.

For r > n0 (n0 <= 18 at alpha = 0.05) split conformal prediction would take an infinite threshold and accept every
answer. We do the safe thing, escalate all, and say that the promise is *not given*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from routenlp.errors import SettingsError
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class PaperThreshold:
    """What the rule gave for one (task, tier)."""

    threshold: float | None
    """Accept if score <= threshold; None escalates every answer."""
    alpha: float
    n: int
    """Calibration answers with a score."""
    n0: int
    """Those of them that were handled correctly."""
    promise_given: bool
    """Whether P(escalated | correct) <= alpha holds on average over calibration draws; False when n0 is too small."""


def rank(n0: int, alpha: float) -> int:
    """ceil((1 - alpha)(n0 + 1)), robust to the rounding of alpha (n0 = 19 at 0.05 is exactly 19)."""
    return n0 + 1 - math.floor(alpha * (n0 + 1) + 1e-9)


def paper_threshold(
    scores: FloatArray, correct: np.ndarray[tuple[int], np.dtype[np.bool_]], alpha: float
) -> PaperThreshold:
    """The threshold of one tier on one task.

    `scores`: u of each calibration answer, shape (n,), NaN where an answer could not be scored; such answers can
    never be accepted, so they count among neither n nor n0. `correct`: whether each was handled, shape (n,).
    `alpha` in (0, 1]; at 1 no answer is accepted.
    """
    if not 0.0 < alpha <= 1.0:
        raise SettingsError("alpha", f"is {alpha}", "Choose a value above 0 and at most 1; the paper's is 0.05.")
    scored = np.isfinite(scores)
    u = np.sort(scores[scored & correct])
    n, n0 = int(scored.sum()), len(u)
    r = rank(n0, alpha)
    if r > n0:
        return PaperThreshold(None, alpha, n, n0, promise_given=False)
    threshold = float(u[r - 1]) if r >= 1 else None
    return PaperThreshold(threshold, alpha, n, n0, promise_given=True)
