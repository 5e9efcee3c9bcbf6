"""Certifying a threshold cascade for one task: a ladder of settings fixed on training rows, walked on calibration rows.

The ladder comes from what models that had not seen a training row said of it, so its order of boldness is fixed before
any calibration row is looked at; that is all that the walk needs to be valid. How well those rows stand for new ones
decides only how cheap the policy is that passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.conformal.groups import group_units, rows_to_take
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Verdict
from routenlp.replay.calibrate import CalibrationRows, Setting, cheapest, limits_of
from routenlp.replay.cascade import replay
from routenlp.replay.recorded import Recorded
from routenlp.router.pre_router import first_positions

TARGETS = tuple(float(t) for t in np.linspace(0.999, 0.93, 36))
"""Quality ratios on training rows at which the ladder takes its settings, from cautious to bold."""


@dataclass(frozen=True, slots=True)
class Certified:
    """What was proved for one task."""

    verdict: Verdict
    ladder: tuple[Setting, ...]
    """Policies 1, 2, ... of the walk; policy 0 is always-top."""

    @property
    def setting(self) -> Setting | None:
        """The setting that passed last; None: the top tier serves."""
        return self.ladder[self.verdict.selected - 1] if self.verdict.selected else None


def fix_ladder(train: CalibrationRows) -> tuple[Setting, ...]:
    """Settings of rising boldness: at each of `TARGETS` the cheapest on these rows, repetitions left out."""
    out: list[Setting] = []
    for target in TARGETS:
        setting = cheapest(train, [0.0], target)
        if setting.cutoff is not None and (not out or setting.cost_ratio < out[-1].cost_ratio - 1e-9):
            out.append(setting)
    return tuple(out)


def certify(
    ladder: tuple[Setting, ...],
    calibrate: CalibrationRows,
    training_groups: tuple[str, ...],
    *,
    eps: float,
    delta: float,
    seed: int,
) -> Certified:
    """The boldest setting of `ladder` proved to keep 1 - eps of the top tier's quality, by the rule `quality_ratio`.

    Where rows come in groups the group is the unit, of which `rows_to_take(training_groups)` rows count at most.
    """
    recorded = calibrate.recorded
    routed = np.stack([_quality(recorded, calibrate, setting) for setting in ladder]) if ladder else None
    units = group_units(recorded.groups, seed=seed, rows_a_group=rows_to_take(training_groups))
    verdict = quality_ratio(
        np.empty((0, recorded.n)) if routed is None else routed,
        recorded.quality[:, -1],
        eps=eps,
        delta=delta,
        units=units,
    )
    return Certified(verdict, ladder)


def _quality(
    recorded: Recorded, rows: CalibrationRows, setting: Setting
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = first_positions(rows.estimates, setting.cutoff)
    return replay(recorded, first, limits_of(setting.thresholds)).quality
