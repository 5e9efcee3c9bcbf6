"""How well a score ranks answers: the area under risk over coverage (Geifman & El-Yaniv 2017, arXiv 1705.08500)."""

from __future__ import annotations

import numpy as np

from routenlp.types import FloatArray


def risk_coverage_area(score: FloatArray, loss: FloatArray) -> float:
    """Mean, over coverages 1/n, 2/n, ..., 1, of the mean loss among the rows with the least score.

    `score`: uncertainty, NaN for none (which counts as least sure); `loss`: 1 - quality. Lower is better; a useless
    score has the mean loss, and ties count as their mean. NaN without rows.
    """
    if len(score) == 0:
        return float("nan")
    _, tie, size = np.unique(np.where(np.isnan(score), np.inf, score), return_inverse=True, return_counts=True)
    mean = np.bincount(tie, weights=loss) / size
    return float((np.cumsum(np.repeat(mean, size)) / np.arange(1, len(score) + 1)).mean())
