"""A threshold cascade over recorded answers, vectorised: the verdicts of the machine, for all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy did to each row of a `Recorded`."""

    recorded: Recorded
    first: NDArray[np.int64]
    """Position of the first tier called, shape (n,)."""
    final: NDArray[np.int64]
    """Position of the tier whose answer was returned, shape (n,)."""

    @property
    def called(self) -> NDArray[np.bool_]:
        """Which tiers were called, shape (n, tiers)."""
        position = np.arange(len(self.recorded.tiers))
        return np.asarray((position >= self.first[:, None]) & (position <= self.final[:, None]))

    @property
    def quality(self) -> FloatArray:
        """Quality of the returned answer, shape (n,)."""
        return np.asarray(self.recorded.quality[np.arange(self.recorded.n), self.final])

    @property
    def cost_usd(self) -> FloatArray:
        """Every tier called, shape (n,)."""
        return np.asarray((self.recorded.cost_usd * self.called).sum(axis=1))

    @property
    def latency_s(self) -> FloatArray:
        """Every tier called, one after the other, shape (n,)."""
        return np.asarray((self.recorded.latency_s * self.called).sum(axis=1))


def replay(recorded: Recorded, first: NDArray[np.int64], thresholds: FloatArray) -> Replayed:
    """Start each row at `first`, accept at the first tier whose score is within its threshold; the top always accepts.

    `first`: positions, shape (n,). `thresholds`: shape (tiers,), NaN where absent (which escalates); the top's is
    not looked at.
    """
    with np.errstate(invalid="ignore"):
        accepts = recorded.score <= thresholds
    accepts[:, -1] = True
    accepts &= np.arange(len(recorded.tiers)) >= first[:, None]
    return Replayed(recorded, first, np.asarray(accepts.argmax(axis=1)))
