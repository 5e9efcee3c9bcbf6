"""A confidence bound from a test: the strongest claim up to which every weaker one is proved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_GRIDS = 3
_POINTS = 20


def strongest_claim(proved: Callable[[float], bool], weakest: float, strongest: float) -> float:
    """The last value on the way from `weakest` to `strongest` before the first that is not proved.

    `proved(v)`: whether the test at level delta proves the claim v, such as "the ratio is over v". `weakest` must be
    true by definition and is not tested. The set of claims that are not proved holds the truth with probability at
    least 1 - delta, so what is returned is wrong with probability at most delta. Three nested grids find it to
    1 / 9,000 of the way, rounded to the weak side.
    """
    at, step = weakest, strongest - weakest
    for _ in range(_GRIDS):
        step /= _POINTS + 1
        claims = at + step * np.arange(1, _POINTS + 1)
        at = next((float(v - step) for v in claims if not proved(float(v))), float(claims[-1]))
    return at
