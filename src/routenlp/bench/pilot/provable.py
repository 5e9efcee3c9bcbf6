"""Under which status each task may serve in the pilot: EMPIRICAL where nothing could be proved of it.

Where a task has fewer calibration groups than it takes to prove even a policy that loses nothing, however many rows of
a group are tested, the top tier would answer it for ever: the operator of this pilot has it served by what was seen,
and every table says so. The number of groups
is all that is looked at, never what the rows say. Why such a task is not pooled with others that
can stand alone: docs/decisions/guarantees.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from routenlp.conformal.labels_needed import least_for_quality_ratio
from routenlp.replay.folds import Folds


@dataclass(frozen=True, slots=True)
class Provable:
    """What the calibration fold of a task is enough for."""

    groups: int
    least: int
    """Under which no policy can pass, with one row of each group; with more rows of each it takes no fewer."""

    @property
    def serve_when(self) -> Literal["asymptotic", "empirical"]:
        """For the task's settings."""
        return "asymptotic" if self.groups >= self.least else "empirical"


def provable(folds: Folds, *, eps: float, delta: float) -> Provable:
    """By `quality_ratio`, beside a top tier that is always right."""
    groups = len({example.group for example in folds.calibrate.examples})
    return Provable(groups, ceil(least_for_quality_ratio(1.0, eps=eps, delta=delta)))
