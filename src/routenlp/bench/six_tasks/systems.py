"""The systems that the bench compares, each a policy that the same machine runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from routenlp.cascade.decision import Reach
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import FirstAnswer, ThresholdCascade
from routenlp.conformal.certificate import issue
from routenlp.conformal.verdict import Status, Verdict
from routenlp.contracts import Encoder, Router, Scorer, StopRule
from routenlp.portfolio.tiers import Portfolio
from routenlp.replay.backtest.sla import Sla
from routenlp.replay.calibrate import CalibrationRows, Setting, cheapest, published
from routenlp.replay.task_policies import TaskPolicies, Tuned
from routenlp.router.fixed import AlwaysRouter, RandomRouter
from routenlp.router.per_task import RouterPerTask
from routenlp.router.reading import SurfaceFrame
from routenlp.types import Task

ROUTENLP = "routenlp"
ASYMPTOTIC = "routenlp, asymptotic"
CERTIFIED = "routenlp, certified"
IN_TIME = "routenlp, in time"
ROUTER_ONLY = "router only"
CASCADE_ONLY = "cascade only"
PAPER = "paper's thresholds"
PUBLISHED = "paper's thresholds, published alpha"
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
    surface: SurfaceFrame
    scorer: Scorer
    models: Mapping[str, Mapping[str, str]]
    seed: int

    def policy(self, router: Router, rule: StopRule) -> Policy:
        """A policy on this portfolio."""
        return Policy(self.portfolio, self.tasks, router, self.scorer, rule, self.models)


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """Every task's policies with their proofs, and the paper's thresholds beside them."""

    policies: Mapping[str, TaskPolicies]
    tuned: Mapping[str, Tuned]
    """The policy of each task that is served."""
    swept: Mapping[str, Setting]
    """The paper's thresholds at the alphas that cost least on the calibration rows."""
    published: Mapping[str, Setting]
    """The same at the paper's own alpha."""


def thresholds(
    rows: Mapping[str, CalibrationRows], targets: Mapping[str, float], alphas: Mapping[str, float]
) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """The paper's thresholds of every task, swept and at its own alpha, on calibration rows.

    `targets`: the quality ratio asked for; `alphas`: the published rule's level.
    """
    return (
        {task: cheapest(of_task, [0.0], targets[task]) for task, of_task in rows.items()},
        {task: published(of_task, 0.0, alphas[task]) for task, of_task in rows.items()},
    )


def _learned(frame: Frame, calibrated: Calibrated, rules: Mapping[str, StopRule]) -> Policy:
    """The learned routers with these rules behind them."""
    top = frame.portfolio.top
    routers = {task: p.router(frame.encoder, frame.surface) for task, p in calibrated.policies.items()}
    return frame.policy(RouterPerTask(routers, top), RulePerTask(rules, top))


def served(frame: Frame, calibrated: Calibrated) -> Policy:
    """What is stored and served: each task's tuned policy."""
    return _learned(frame, calibrated, {task: tuned.rule for task, tuned in calibrated.tuned.items()})


def policies(frame: Frame, calibrated: Calibrated, sla: Sla, issued_at: datetime) -> dict[str, Policy]:
    """All systems by name, ours first. `issued_at`: the date on the certificates."""
    tiers, by_task = frame.portfolio.names, list(calibrated.policies.items())
    random = frame.policy(RandomRouter(tiers, frame.seed), FirstAnswer())
    return {
        ROUTENLP: served(frame, calibrated),
        ASYMPTOTIC: _proved(frame, calibrated, Status.ASYMPTOTIC, issued_at),
        CERTIFIED: _proved(frame, calibrated, Status.CERTIFIED, issued_at),
        IN_TIME: _learned(frame, calibrated, {t: p.in_time(sla).rule for t, p in by_task}),
        ROUTER_ONLY: _learned(frame, calibrated, {t: p.tuned(Reach.ONCE).rule for t, p in by_task}),
        CASCADE_ONLY: _learned(frame, calibrated, {t: p.tuned(Reach.NEXT).rule for t, p in by_task}),
        PAPER: _paper(frame, calibrated.swept),
        PUBLISHED: _paper(frame, calibrated.published),
        RANDOM: random,
        **{always(t): frame.policy(AlwaysRouter(t), FirstAnswer()) for t in tiers},
    }


def _proved(frame: Frame, calibrated: Calibrated, weakest: Status, issued_at: datetime) -> Policy:
    """Cheap tiers serve a task where its policy has a status of at least `weakest`; else the top tier serves."""
    plain = _learned(frame, calibrated, {t: p.rule(p.proved(weakest)) for t, p in calibrated.policies.items()})
    found = {t: issue(t, verdict_at(p, weakest), plain.proved_for(), issued_at) for t, p in calibrated.policies.items()}
    return replace(plain, certificates=found)


def verdict_at(policies: TaskPolicies, weakest: Status) -> Verdict:
    """The verdict behind `policies.proved(weakest)`."""
    weaker = weakest is Status.ASYMPTOTIC and policies.proved(weakest) > policies.certified.selected
    return policies.asymptotic if weaker else policies.certified


def _paper(frame: Frame, settings: Mapping[str, Setting]) -> Policy:
    """The paper's cascade from the cheapest tier up; a task without any threshold goes to the top tier."""
    tiers = frame.portfolio.names
    by_task = {
        task: {t: p.threshold for t, p in zip(tiers, s.thresholds, strict=False) if p.threshold is not None}
        for task, s in settings.items()
    }
    begin = {task: AlwaysRouter(tiers[0]) for task, s in settings.items() if s.cutoff is not None}
    return frame.policy(RouterPerTask(begin, tiers[-1]), ThresholdCascade(tiers, by_task))
