"""Early warning without labels: do answers' scores still look like those of calibration?

Each score gets its rank among the reference scores and all that came since (`ranks`), uniform while scores are
exchangeable with the reference. Bets that ranks rise, fall or spread feed the same Shiryaev-Roberts statistic as the
alarm. Scores are counted in bins, so that a sample costs O(bins) and the state stays small.

A shift of scores is no proof that quality fell, and quality can fall without one: this only says "look", and never
changes what serves.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from routenlp.drift.ranks import counted
from routenlp.errors import DataError
from routenlp.types import FloatArray

BINS = 32
_UNSCORED = 1.0
"""An answer without a score is as unsure as can be: where scores go missing, ranks rise."""
_BETS = (0.1, 0.3, 0.7)


@dataclass(frozen=True, slots=True)
class ShiftState:
    """All that is remembered; JSON restores it exactly."""

    counts: tuple[int, ...]
    """Scores seen, reference included, by bin."""
    statistics: tuple[float, ...]
    """One for each direction and bet."""


@dataclass(frozen=True, slots=True)
class ScoreShift:
    """Of one task and tier."""

    edges: tuple[float, ...]
    """Between bins, rising: quantiles of the reference."""
    false_alarm_samples: float
    """Samples until a false warning, on average at the least."""

    def see(self, state: ShiftState, score: float | None, tie: float) -> ShiftState:
        """`tie`: a fresh uniform draw from [0, 1) that breaks ties of the rank."""
        value = _UNSCORED if score is None else score
        if not 0.0 <= value <= 1.0:
            raise DataError("score", f"is {score}", "Scores lie in [0, 1].")
        at = bisect_right(self.edges, value)
        counts, rank = counted(state.counts, at, tie)
        factors = [1.0 + bet * direction for direction in _directions(rank) for bet in _BETS]
        statistics = tuple(min((r + 1.0) * f, 1e300) for r, f in zip(state.statistics, factors, strict=True))
        return ShiftState(counts, statistics)

    def level(self, state: ShiftState) -> float:
        """0 at the start, 1 and more where the warning is given."""
        return sum(state.statistics) / len(state.statistics) / self.false_alarm_samples

    def warns(self, state: ShiftState) -> bool:
        """Whether scores look unlike the reference."""
        return self.level(state) >= 1.0


def shift_from(reference: FloatArray, false_alarm_samples: float) -> tuple[ScoreShift, ShiftState]:
    """The warning and its first state, from calibration scores in [0, 1]: shape (n,), n at least 1, NaN for none."""
    if len(reference) == 0 or not false_alarm_samples >= 1.0:
        raise DataError(
            "early warning",
            f"has {len(reference)} scores and {false_alarm_samples} samples until a false warning",
            "Give at least one of each.",
        )
    known = np.where(np.isnan(reference), _UNSCORED, reference)
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    shift = ScoreShift(tuple(edges.tolist()), false_alarm_samples)
    return shift, ShiftState(tuple(counts.tolist()), (0.0,) * (3 * len(_BETS)))


def _directions(rank: float) -> tuple[float, float, float]:
    """Rising, falling, spreading: each of mean 0 for uniform ranks and at least -1."""
    middle = 2.0 * rank - 1.0
    return middle, -middle, 3.0 * middle * middle - 1.0
