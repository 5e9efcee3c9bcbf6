"""One task's policies: fitted on its training rows, proved on its calibration rows, ready to be served.

Both walks, the finite-sample one and the asymptotic one, go along the same ladder, which the training rows fix. The
uncertified operating point lies on a finer one: the cheapest policy that keeps the target on all rows that tell of new
ones, which are the training rows, by estimates that had not seen them, and the calibration rows. No proof rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import Reach
from routenlp.conformal.verdict import Status, Verdict
from routenlp.contracts import Encoder
from routenlp.replay.backtest.certify import (
    Replays,
    SeenRows,
    Target,
    cheapest_step,
    cheapest_with_margin,
    replay_all,
    units_of,
    verdicts,
)
from routenlp.replay.backtest.ladder import STEP, ContinuationLadder, fit_continuation, ladder_of
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.sla import Sla
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SurfaceFrame

FINE_STEP = 0.002
"""Of always-top's cost, between policies of which one is chosen by quality: nothing is lost by having many."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """An uncertified operating point."""

    rule: ContinuationRule
    quality_ratio: float
    """On the rows that it was chosen on, like the next."""
    cost_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class TaskPolicies:
    """What was fitted and proved of one task."""

    train: Rows
    target: Target
    ladder: ContinuationLadder
    calibrate: Rows
    calibrated: Replays
    """Every policy on `calibrate`."""
    certified: Verdict
    """By the test that holds for every number of rows."""
    asymptotic: Verdict
    """By the normal approximation, on the same rows."""
    seed: int

    def proved(self, weakest: Status) -> int:
        """The boldest policy with a status of at least `weakest`, CERTIFIED or ASYMPTOTIC; 0 is always-top."""
        allowed = [v.selected for v in (self.certified, self.asymptotic) if v.status.at_least(weakest)]
        return max(allowed, default=0)

    def router(self, encoder: Encoder, surface: SurfaceFrame) -> LearnedRouter:
        """The estimates that every policy decides by; `encoder` and `surface` must have made the rows' features."""
        fitted = self.ladder.fitted
        return LearnedRouter(
            encoder,
            surface,
            self.train.tiers,
            self.train.task_names,
            fitted.router,
            fitted.cost,
            fitted.top_cost_usd,
            latency=fitted.latency.model,
        )

    def rule(self, step: int) -> ContinuationRule:
        """Policy `step` as a stop rule."""
        return self.ladder.rule(step, self.train)

    def tuned(self, reach: Reach = Reach.DEARER) -> Tuned:
        """The cheapest policy that keeps the target on training rows, by held-out estimates, and calibration rows
        together: nothing is proved.

        Each row counts once. The more rows, the less the cheapest is merely the luckiest; and only calibration rows are
        answered by the tiers that serve, for what answered training rows had learned less.
        A `reach` other than the default is the same estimates with fewer calls allowed.
        """
        ladder = self._ladder(reach, None, FINE_STEP)
        both = self._rehearsed(ladder).beside(replay_all(ladder, self.calibrate))
        return self._point(ladder, both, cheapest_step(both, self.target))

    def seen_twice(self) -> Tuned:
        """The cheapest policy that keeps the target on held-out estimates of the training rows and on the calibration
        rows, on each with one standard error to spare (`cheapest_with_margin`): what a task is served by that
        calibration rows are too few to prove anything of. Its figures are of the training rows.

        On each, because it is chosen by both, and each flatters what it chooses.
        """
        ladder = self._ladder(Reach.DEARER, None, FINE_STEP)
        rehearsed, calibrated = self._rehearsed(ladder), replay_all(ladder, self.calibrate)
        each = SeenRows(rehearsed, self.train.groups), SeenRows(calibrated, self.calibrate.groups)
        return self._point(ladder, rehearsed, cheapest_with_margin(each, self.target))

    def in_time(self, sla: Sla) -> Tuned:
        """The cheapest policy under limits of latency that keeps the target on training rows, by held-out estimates.

        Where no policy keeps the target in time (always-top has no limits), the best of those that are in time: time
        goes before quality here.
        """
        ladder = self._ladder(self.ladder.reach, sla, STEP)
        replays = self._rehearsed(ladder)
        chosen = cheapest_step(replays, self.target)
        if chosen == 0 and ladder.size > 1:
            chosen = 1 + int(np.argmax(replays.quality[1:].mean(axis=1)))
        return self._point(ladder, replays, chosen)

    def _ladder(self, reach: Reach, sla: Sla | None, step: float) -> ContinuationLadder:
        return ladder_of(self.ladder.fitted, self.train, reach, seed=self.seed, sla=sla, step=step)

    def _rehearsed(self, ladder: ContinuationLadder) -> Replays:
        return rehearse(ladder, self.train, seed=self.seed).replays

    def _point(self, ladder: ContinuationLadder, chosen_on: Replays, step: int) -> Tuned:
        rule = ladder.rule(step, self.train)
        return Tuned(rule, float(chosen_on.quality_ratio[step]), float(chosen_on.cost_ratio[step]))


def fit_policies(train: Rows, calibrate: Rows, target: Target, *, seed: int) -> TaskPolicies:
    """Fit on `train`, walk on `calibrate`. Raises `TrainingError` where there are too few training rows."""
    return prove(fit_continuation(train, seed=seed), train, calibrate, target, seed=seed)


def prove(ladder: ContinuationLadder, train: Rows, calibrate: Rows, target: Target, *, seed: int) -> TaskPolicies:
    """Walk a ladder that was fitted on `train`, which `calibrate` must have no row of."""
    rehearsal, calibrated = rehearse(ladder, train, seed=seed), replay_all(ladder, calibrate)
    units = units_of(train, calibrate, seed=seed)
    certified, asymptotic = (
        verdicts(calibrated, rehearsal, target, units, asymptotic=a)[target.walked] for a in (False, True)
    )
    return TaskPolicies(train, target, ladder, calibrate, calibrated, certified, asymptotic, seed)
