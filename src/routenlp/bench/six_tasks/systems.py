"""The systems that the bench compares, each a policy that the same machine runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import FirstAnswer, ThresholdCascade
from routenlp.conformal.certificate import issue
from routenlp.conformal.verdict import Status
from routenlp.contracts import Encoder, Router, Scorer, StopRule
from routenlp.portfolio.tiers import Portfolio
from routenlp.replay.calibrate import (
    CalibrationRows,
    Setting,
    candidate_cutoffs,
    cheapest,
    cheapest_route_only,
    published,
)
from routenlp.replay.certify import Certified
from routenlp.router.estimator import LinearEstimator
from routenlp.router.fixed import AlwaysRouter, RandomRouter
from routenlp.router.pre_router import PreRouter
from routenlp.types import Task

ROUTENLP = "routenlp"
CERTIFIED = "routenlp, certified"
PUBLISHED = "routenlp, published alpha"
CASCADE_ONLY = "cascade only"
ROUTER_ONLY = "router only"
RANDOM = "random"


def always(tier: str) -> str:
    """The name of the system that asks one tier only."""
    return f"always {tier}"


@dataclass(frozen=True, slots=True)
class Frame:
    """What all systems of one run share."""

    portfolio: Portfolio
    tasks: Mapping[str, Task]
    encoder: Encoder
    estimator: LinearEstimator
    scorer: Scorer
    models: Mapping[str, Mapping[str, str]]
    seed: int

    def policy(self, router: Router, rule: StopRule) -> Policy:
        """A policy on this portfolio."""
        return Policy(self.portfolio, self.tasks, router, self.scorer, rule, self.models)

    def learned(self, settings: Mapping[str, Setting], *, cascade: bool = True) -> Policy:
        """The learned router at each task's cut-off, with its thresholds behind it or alone."""
        cutoffs = {task: s.cutoff for task, s in settings.items() if s.cutoff is not None}
        router = PreRouter(self.encoder, self.estimator, self.portfolio.names, cutoffs)
        return self.policy(router, self._thresholds(settings) if cascade else FirstAnswer())

    def _thresholds(self, settings: Mapping[str, Setting]) -> ThresholdCascade:
        tiers = self.portfolio.names
        by_task = {
            task: {t: p.threshold for t, p in zip(tiers, s.thresholds, strict=False) if p.threshold is not None}
            for task, s in settings.items()
        }
        return ThresholdCascade(tiers, by_task)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Every task's operating points, by system, and what was proved of the certified one."""

    settings: Mapping[str, Mapping[str, Setting]]
    proofs: Mapping[str, Certified]


def calibrate(
    rows: Mapping[str, CalibrationRows],
    tasks: Mapping[str, float],
    alphas: Mapping[str, float],
    proofs: Mapping[str, Certified],
) -> Calibrated:
    """Choose the operating points. `tasks`: the quality ratio asked for; `alphas`: the published rule's level.

    The certified system serves a task from cheap tiers only where `proofs` says CERTIFIED; else the top tier serves.
    """
    proved = {t: c.setting for t, c in proofs.items() if c.verdict.status is Status.CERTIFIED}
    swept = {t: cheapest(r, candidate_cutoffs(r), tasks[t]) for t, r in rows.items()}
    return Calibrated(
        {
            ROUTENLP: swept,
            CERTIFIED: {t: setting for t, setting in proved.items() if setting is not None},
            PUBLISHED: {t: published(r, swept[t].cutoff, alphas[t]) for t, r in rows.items()},
            CASCADE_ONLY: {t: cheapest(r, [0.0], tasks[t]) for t, r in rows.items()},
            ROUTER_ONLY: {t: cheapest_route_only(r, tasks[t]) for t, r in rows.items()},
        },
        proofs,
    )


def _with_certificates(policy: Policy, calibrated: Calibrated, issued_at: datetime) -> Policy:
    found = {t: issue(t, c.verdict, policy.proved_for(), issued_at) for t, c in calibrated.proofs.items()}
    return replace(policy, certificates=found)


def policies(frame: Frame, calibrated: Calibrated, issued_at: datetime) -> dict[str, Policy]:
    """All systems by name, ours first. `issued_at`: the date on the certificates."""
    settings = calibrated.settings
    return {
        ROUTENLP: frame.learned(settings[ROUTENLP]),
        CERTIFIED: _with_certificates(frame.learned(settings[CERTIFIED]), calibrated, issued_at),
        PUBLISHED: frame.learned(settings[PUBLISHED]),
        CASCADE_ONLY: frame.learned(settings[CASCADE_ONLY]),
        ROUTER_ONLY: frame.learned(settings[ROUTER_ONLY], cascade=False),
        RANDOM: frame.policy(RandomRouter(frame.portfolio.names, frame.seed), FirstAnswer()),
        **{always(t): frame.policy(AlwaysRouter(t), FirstAnswer()) for t in frame.portfolio.names},
    }
