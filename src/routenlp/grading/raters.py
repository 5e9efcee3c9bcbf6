"""How far raters agree, beyond what chance alone would bring: Krippendorff's alpha for nominal verdicts.

Krippendorff, Computing Krippendorff's alpha-reliability (2011). With o_ck the coincidence matrix of a set of units,
n_c its row sums and n its sum:

    alpha = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k

1: they always agree; 0: no more than chance; under 0: less. Any number of raters, and not all need rate every unit.
"""

from __future__ import annotations

import numpy as np

from routenlp.types import FloatArray


def coincidences(counts: FloatArray) -> FloatArray:
    """Of each unit, o_ck, shape (units, C, C). `counts`: how many raters gave it each verdict, shape (units, C).

    A unit with one rater pairs with nothing: its matrix is 0.
    """
    raters = counts.sum(axis=1)
    both = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    return np.asarray(both / np.maximum(raters - 1.0, 1.0)[:, None, None])


def alpha(matrix: FloatArray) -> FloatArray:
    """Of coincidences summed over units, shape (..., C, C); NaN where only one verdict was ever given, or none."""
    totals = matrix.sum(axis=-1)
    n = totals.sum(axis=-1)
    differ = n - np.trace(matrix, axis1=-2, axis2=-1)
    expected = n * n - (totals * totals).sum(axis=-1)
    out = np.full(np.shape(n), np.nan)
    np.divide((n - 1.0) * differ, expected, out=out, where=expected > 1e-9)
    return np.asarray(1.0 - out)
