"""What is promised of each task, and how that stands: for metrics, for `routenlp status`, for whoever asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routenlp import wiring
from routenlp.cascade.policy import Policy
from routenlp.conformal.missing import rate_beside_missing
from routenlp.conformal.rates import Rate, rate
from routenlp.conformal.verdict import Status
from routenlp.drift.delay import Delay, Samples, expected_delay, more_answers_fail, share_rises_to
from routenlp.drift.detector import Detector
from routenlp.drift.judge import JudgeDetector
from routenlp.drift.watches import watch
from routenlp.gateway.audit_draw import Drawn
from routenlp.gateway.live import Served
from routenlp.replay.wanted import Wanted
from routenlp.settings import Settings
from routenlp.store.sql import judging, monitoring, recalibrations, statements
from routenlp.store.sql.money import usd_of
from routenlp.store.sql.monitoring import StoredDetector
from routenlp.store.sql.settled import Settled, missing_cheap, settled

DAY_S = 86_400.0
WORSE = 0.05
"""The fall whose alarm is foretold: so many more of the answers are worth nothing, or fail."""
_RUNS = 200
_MOST_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class JudgeStanding:
    """A judge beside people, on the audits that both have graded since the judge was last found to have changed."""

    judge: str
    compared: int
    leniency: float | None
    """How much better it finds cheap answers than people do, in what the task promises; calibration corrects it."""
    alarm_level: float
    """How near it is to having changed: 1 and more is an alarm."""


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """One task. What is not known is None."""

    task: str
    guarantee: str
    target: float
    """eps of `quality_ratio`, alpha of the others."""
    delta: float
    status: Status
    stale: bool
    method: str | None
    n: int
    """Rows of the certificate, like the next."""
    groups: int
    gold: int | None
    """Of them, those that people graded: known of those that were calibrated on audits, like the next."""
    judged: int | None
    estimate: float | None
    bound: float | None
    failed_given_accepted: Rate
    """On graded audits that this policy served from another tier than the top one."""
    escalated: float | None
    """Share of the requests that asked more than one tier."""
    cost_ratio: float | None
    """Of those whose cost under the top tier alone is known, as estimated."""
    labels_needed: int | None
    """As the last calibration said; 0 where none is needed."""
    gold_needed: int | None
    """See `gold_needed`."""
    certificate_age_s: float | None
    alarm_level: float
    """0 at the start, 1 and more where an alarm is open."""
    alarmed: bool
    judge: JudgeStanding | None
    """None where people have graded nothing that a judge has."""
    audits: Settled
    """Since the certificate was issued, and of the last `recalibration.unwatched_days`."""
    most_missing: float
    """Share of them that may be missing while the certificate holds."""
    bound_if_missing_failed: float | None
    """The certificate's bound, were every audit a failure that was missing when it was made; None where it was not made
    on audits, or nothing is known of that."""
    failed_given_accepted_if_missing: tuple[float, float]
    """The interval of `failed_given_accepted`, whatever the audits were that are missing."""
    audited: Drawn
    """How many of the requests are drawn for audits now."""


def standings(
    connection: sqlite3.Connection,
    settings: Settings,
    policy: Policy | None,
    served: Mapping[str, Served],
    now_s: float,
) -> list[TaskStanding]:
    """By task that the policy can route, or the settings name."""
    opened = monitoring.open_alarms(connection)
    wanted = wiring.wanted(settings, Wanted())
    return [
        _standing(connection, settings, policy, served[task], wanted.of(task), now_s, alarmed=task in opened)
        for task in sorted(served)
        if task in settings.tasks or (policy is not None and task in policy.tasks)
    ]


def _standing(
    connection: sqlite3.Connection,
    settings: Settings,
    policy: Policy | None,
    its: Served,
    wanted: Wanted,
    now_s: float,
    *,
    alarmed: bool,
) -> TaskStanding:
    task, target = its.task, wanted.target
    proof = policy.certificates.get(task) if policy is not None else None
    version = policy.version if policy is not None else ""
    last = recalibrations.last_attempt(connection, task)
    found = last.evidence if last is not None else {}
    own = found if proof is not None and found.get("proofs", {}).get(task) == proof.proof else {}
    about = (target.handled_at, task, version, its.tiers[-1])
    accepted, failed = connection.execute(statements.ACCEPTED_AND_FAILED, about).fetchone()
    lost = missing_cheap(connection, task, version, its.tiers[-1])
    since_s = max(proof.issued_at.timestamp() if proof is not None else 0.0, now_s - _window_s(settings))
    requests, more, cost, top = connection.execute(statements.SERVED_BY_POLICY, (task, version)).fetchone()
    return TaskStanding(
        task=task,
        guarantee=proof.rule if proof is not None else target.walked,
        target=proof.target if proof is not None else target.eps if target.walked == "quality_ratio" else target.alpha,
        delta=proof.delta if proof is not None else target.delta,
        status=its.status,
        stale=its.stale,
        method=str(proof.method) if proof is not None else None,
        n=proof.n if proof is not None else 0,
        groups=proof.groups if proof is not None else 0,
        gold=own.get("gold"),
        judged=own.get("judged"),
        estimate=proof.estimate if proof is not None else None,
        bound=proof.bound if proof is not None else None,
        failed_given_accepted=rate(int(failed), int(accepted)),
        escalated=more / requests if requests else None,
        cost_ratio=usd_of(cost) / usd_of(top) if top else None,
        labels_needed=found.get("labels_needed"),
        gold_needed=gold_needed(connection, settings, task, now_s),
        certificate_age_s=now_s - proof.issued_at.timestamp() if proof is not None else None,
        alarm_level=_level(monitoring.read_detector(connection, task), alarmed=alarmed),
        alarmed=alarmed,
        judge=_judge(connection, task),
        audits=settled(connection, task, since_s),
        most_missing=settings.audit.most_missing,
        bound_if_missing_failed=own.get("bound_if_missing_failed"),
        failed_given_accepted_if_missing=rate_beside_missing(int(failed), int(accepted), lost),
        audited=Drawn(its.audit_rate, its.audit_why),
    )


def gold_needed(connection: sqlite3.Connection, settings: Settings, task: str, now_s: float) -> int | None:
    """Labels by people that `judge.gold` still asks for, since the task's last alarm; None where no judge's grades
    stand alone."""
    if settings.judge is None or not judging.rests_on_judge(connection, task):
        return None
    since_s = recalibrations.last_alarm_s(connection, task, now_s) or 0.0
    return max(settings.judge.gold - judging.graded_by_people(connection, task, since_s), 0)


def _window_s(settings: Settings) -> float:
    return settings.recalibration.unwatched_days * DAY_S


def _judge(connection: sqlite3.Connection, task: str) -> JudgeStanding | None:
    stored = judging.read_judge_detector(connection, task)
    if stored is None:
        return None
    level = JudgeDetector(stored.false_alarm_samples).level(stored.state)
    return JudgeStanding(str(stored.about["judge"]), stored.state.seen, stored.state.mean_gap, level)


def _level(stored: StoredDetector | None, *, alarmed: bool) -> float:
    if stored is None:
        return float(alarmed)
    detector = Detector(watch(stored.guarantee, stored.target), stored.false_alarm_samples)
    return max(detector.level(stored.state), float(alarmed))


def alarm_delay(connection: sqlite3.Connection, task: str, top: str, now_s: float, *, seed: int) -> Delay | None:
    """Until an alarm, were `WORSE` more of the answers bad from now on, by the audits that come; None: none were seen.

    Simulated, within some 10% of itself.
    """
    stored = monitoring.read_detector(connection, task)
    if stored is None or not stored.state.seen:
        return None
    a_day = stored.state.seen / max((now_s - stored.since_s) / DAY_S, 1.0)
    detector = Detector(watch(stored.guarantee, stored.target), stored.false_alarm_samples)
    after = _after(connection, stored, task, top)
    rng = np.random.default_rng(seed)
    return expected_delay(detector, after, a_day, rng, runs=_RUNS, most_days=_MOST_DAYS)


def _after(connection: sqlite3.Connection, stored: StoredDetector, task: str, top: str) -> Samples:
    if stored.guarantee != "quality_ratio":
        return share_rises_to(min(stored.target + WORSE, 1.0), stored.target)
    z = np.array([x for (x,) in connection.execute(statements.WATCHED_X, (task, stored.since_s))])
    quality = connection.execute(statements.QUALITY_OF_TIER, (task, top)).fetchone()[0] or 1.0
    return more_answers_fail(z, WORSE, np.full(len(z), (1.0 - stored.target) * float(quality)))
