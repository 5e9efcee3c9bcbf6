"""Fixed-sequence testing of an ordered list of policies, and how the promises of several tasks add up.

The order is fixed before calibration rows are seen. The walk tests policy after policy at the full delta and stops at
the first that fails. Were any deployed policy over its target, the walk would have rejected a true hypothesis, and the
first true hypothesis in the order is rejected with probability at most delta, however the tests depend on each other
and whether or not risks rise along the list (Maurer, Hothorn and Lehmacher 1995; Angelopoulos et al. 2021, Learn then
Test).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routenlp.errors import SettingsError


def walk(p_values: ArrayLike, delta: float, start: int = 1) -> int:
    """The last policy g that passed, walking upward from `start`; 0, always-top, where the first one failed.

    `p_values`: of the policies g = 1 .. G, shape (G,). A policy passes at p <= delta; a NaN never does. Always-top
    keeps every promise by definition and is not tested. Policies before `start` are neither tested nor deployed;
    `start` must not depend on the rows behind `p_values`, and one above G tests nothing.
    """
    return int(walks(np.asarray(p_values, dtype=np.float64), delta, start))


def walks(p_values: NDArray[np.float64], delta: float, start: int = 1) -> NDArray[np.int64]:
    """`walk` along the last axis of shape (..., G), one result for each of the leading axes."""
    check_level("delta", delta)
    if start < 1:
        raise SettingsError("start", f"is {start}", "Policies are numbered from 1; 0 is always-top.")
    steps = np.cumprod(p_values[..., start - 1 :] <= delta, axis=-1).sum(axis=-1)
    return np.where(steps > 0, steps + start - 1, 0)


def family_delta(delta: float, tasks: Iterable[str]) -> dict[str, float]:
    """Each task's share of one delta: with these, no task misses its target with probability at least 1 - delta.

    Bonferroni's split, which holds however the tasks' rows depend on each other.
    """
    check_level("delta", delta)
    names = list(dict.fromkeys(tasks))
    return {name: delta / len(names) for name in names}


def simultaneous_delta(deltas: Mapping[str, float]) -> float:
    """The chance, at most, that any of these tasks misses its target, each certified at its own delta.

    The sum (union bound), at most 1: at 1 nothing is promised about all tasks at once.
    """
    return min(1.0, math.fsum(deltas.values()))


def check_level(name: str, value: float) -> None:
    """Refuse what is no probability strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise SettingsError(name, f"is {value}", "Choose a value between 0 and 1, both excluded.")
