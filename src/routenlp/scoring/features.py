"""What an answer's own token probabilities say of it: three numbers, each 0 (sure) to 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from routenlp.scoring.token_uncertainty import max_uncertainty, mean_uncertainty, tail_uncertainty


class Uncertainty(Protocol):
    """One number from token probabilities."""

    def __call__(self, token_probs: Sequence[float] | None, /) -> float | None:
        """In [0, 1]; None where there is nothing to score by."""


UNCERTAINTIES: Mapping[str, Uncertainty] = MappingProxyType(
    {"mean": mean_uncertainty, "max": max_uncertainty, "tail": tail_uncertainty}
)
"""By name. The paper's is `mean`."""


def uncertainties(token_probs: Sequence[float] | None) -> tuple[float, ...]:
    """All of `UNCERTAINTIES` in their order; NaN for each that is not defined."""
    found = (measure(token_probs) for measure in UNCERTAINTIES.values())
    return tuple(float("nan") if value is None else value for value in found)
