"""One task's policies: fitted on its training rows, proved on its calibration rows, ready to be served.

Both walks, the finite-sample one and the asymptotic one, go along the same ladder, which the training rows fix. So does
the uncertified operating point: the cheapest policy that keeps the target on what models that had not seen a training
row say of it. Calibration rows are spent on proofs alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import Reach
from routenlp.conformal.verdict import Status, Verdict
from routenlp.contracts import Encoder
from routenlp.replay.backtest.certify import Rehearsal, Replays, Target, cheapest_step, replay_all, units_of, verdicts
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation, ladder_of
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.sla import Sla
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SurfaceFrame


@dataclass(frozen=True, slots=True, eq=False)
class TaskPolicies:
    """What was fitted and proved of one task."""

    train: Rows
    target: Target
    ladder: ContinuationLadder
    rehearsal: Rehearsal
    """Every policy on `train`, by estimates that had not seen its rows."""
    calibrate: Rows
    calibrated: Replays
    """Every policy on `calibrate`."""
    certified: Verdict
    """By the test that holds for every number of rows."""
    asymptotic: Verdict
    """By the normal approximation, on the same rows."""

    @property
    def tuned(self) -> int:
        """The cheapest policy that keeps the target on held-out estimates of the training rows: nothing is proved."""
        return cheapest_step(self.rehearsal.replays, self.target)

    def proved(self, weakest: Status) -> int:
        """The boldest policy with a status of at least `weakest`, CERTIFIED or ASYMPTOTIC; 0 is always-top."""
        allowed = [v.selected for v in (self.certified, self.asymptotic) if v.status.at_least(weakest)]
        return max(allowed, default=0)

    def router(self, encoder: Encoder, surface: SurfaceFrame) -> LearnedRouter:
        """The estimates that every policy decides by; `encoder` and `surface` must have made the rows' features."""
        fitted = self.ladder.fitted
        names = (self.train.tiers, self.train.task_names)
        return LearnedRouter(encoder, surface, *names, fitted.router, fitted.cost, fitted.top_cost_usd)

    def rule(self, step: int) -> ContinuationRule:
        """Policy `step` as a stop rule."""
        return self.ladder.rule(step, self.train)

    def reaching(self, reach: Reach, *, seed: int) -> ContinuationRule:
        """The same estimates with fewer calls allowed, at its own cheapest policy that keeps the target."""
        other = ladder_of(self.ladder.fitted, self.train, reach, seed=seed)
        return other.rule(cheapest_step(rehearse(other, self.train, seed=seed).replays, self.target), self.train)

    def in_time(self, sla: Sla, *, seed: int) -> ContinuationRule:
        """The same estimates under limits of latency: the cheapest policy that keeps the target in time.

        Where none does, and always-top has no limits, it is the best of those that have: time goes before quality here.
        """
        hurried = ladder_of(self.ladder.fitted, self.train, self.ladder.reach, seed=seed, sla=sla)
        replays = rehearse(hurried, self.train, seed=seed).replays
        step = cheapest_step(replays, self.target)
        best = 1 + int(np.argmax(replays.quality[1:].mean(axis=1))) if hurried.size > 1 else 0
        return hurried.rule(step or best, self.train)


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
    return TaskPolicies(train, target, ladder, rehearsal, calibrate, calibrated, certified, asymptotic)
