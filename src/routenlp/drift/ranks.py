"""Ranks among all that came before: uniform and independent while what comes is exchangeable with it, whatever it is.

The rank of a value among itself and all before it, ties broken by a draw, is a conformal p-value (Vovk, Gammerman and
Shafer 2005, ch. 7). Among a fixed reference it would be off by the reference's own noise, and every long run would end
in an alarm. Values are counted in bins, so that a rank costs O(bins) and what is remembered stays small.
"""

from __future__ import annotations

from collections.abc import Sequence


def counted(counts: Sequence[int], at: int, tie: float) -> tuple[tuple[int, ...], float]:
    """The counts with one more value in bin `at`, and its rank in [0, 1). `tie`: a uniform draw from [0, 1)."""
    more = list(counts)
    more[at] += 1
    return tuple(more), (sum(more[:at]) + tie * more[at]) / sum(more)
