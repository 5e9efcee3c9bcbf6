"""Where a query begins when the cheapest tier is taken whose expected quality reaches a cut-off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray


def first_positions(estimates: FloatArray, cutoff: float | None) -> NDArray[np.int64]:
    """Position of the first tier of each row: the cheapest whose estimate is >= `cutoff`, else the top.

    `estimates`: shape (n, tiers), cheapest first. An absent cut-off means the top tier for every row.
    """
    if cutoff is None:
        return np.full(len(estimates), estimates.shape[1] - 1)
    good = estimates >= cutoff
    good[:, -1] = True
    return np.asarray(good.argmax(axis=1))
