"""Watches over quality: each graded audit goes to its task's detector once; an alarm takes the task to the top tier.

    graded audit ─▶ alarm open? ── yes ─▶ kept for calibration
                        │ no
                        ▼
                    detector ── over B ─▶ alarm: the top tier serves the task, until it is calibrated again

What is watched is what was served: the answer that came of the policy in force, beside the top tier's. Audits that came
while the top tier served by rule say nothing of a policy. The detector follows one policy, and every other one that
serves the task exactly alike; audits of a third, such as a candidate that would change the task or a version that is
retired, are nobody's. When a version that changed the task becomes active the detector begins anew. An alarm ends with
a version whose certificate of the task was issued after it, or by hand: never with the way back to an older one.

A store may have no version, where a gateway serves a folder: then the policy of the newest audit is the one in force,
and ends the alarm of the one before it. Judges are watched beside it (`judge_watch`), on audits that people graded too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Status
from routenlp.drift.detector import Detector, once_a_year
from routenlp.drift.watches import Audited, watch
from routenlp.store.sql import monitoring
from routenlp.store.sql.monitoring import Alarm, GradedAudit, StoredDetector, Watched
from routenlp.worker.in_force import InForce
from routenlp.worker.judge_watch import JudgeWatch
from routenlp.worker.promised import DAY_S, LEAST_A_DAY, Promised


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of the audits that were looked at."""

    watched: int = 0
    """By a detector."""
    kept: int = 0
    """For calibration, because an alarm is open."""
    idle: int = 0
    """That say nothing of a policy."""
    compared: int = 0
    """Of the judge's grades with people's."""
    alarms: tuple[Alarm, ...] = ()
    """That were raised."""


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """Of one worker."""

    connection: sqlite3.Connection
    promised: Callable[[str], Promised | None]
    """By task; None for one that is gone."""
    clock: Callable[[], float]
    """Seconds since 1970. A clock that jumps moves dates, and no statistic."""
    in_force: Callable[[], InForce | None] = lambda: None
    """What serves by the store; None, or a folder that is no version, where the store has none."""

    def run(self, most: int) -> Looked:
        """Up to `most` audits, in the order in which their queries came."""
        waiting = monitoring.unwatched(self.connection, most)
        # Not before: what served the audits that wait is known by now.
        active = self._active()
        counts = {"detector": 0, "calibration": 0, "nobody": 0}
        raised: list[Alarm] = []
        opened = set(monitoring.open_alarms(self.connection))
        for audit in waiting:
            if active is None and audit.task in opened and self._served_by_another(audit):
                opened.discard(audit.task)
            seen, detector, alarm = self._look(audit, active, alarmed=audit.task in opened)
            monitoring.put_watched(self.connection, seen, detector, alarm)
            counts[seen.went_to] += 1
            if alarm is not None:
                opened.add(audit.task)
                raised.append(alarm)
        compared, of_judges = JudgeWatch(self.connection, self.promised, self.clock).run(most)
        alarms = (*raised, *of_judges)
        return Looked(counts["detector"], counts["calibration"], counts["nobody"], compared, alarms)

    def _active(self) -> Policy | None:
        """The store's active policy; alarms that it ends are over."""
        now = self.in_force()
        for policy, decides in now.decides.items() if now is not None else ():
            monitoring.put_policy(self.connection, policy, decides)
        if now is None or now.version is None:
            return None
        for task, alarm in monitoring.open_alarms(self.connection).items():
            certificate = now.policy.certificates.get(task)
            # A proof from after now was dated by a clock that went back since: it tells nothing of when.
            if certificate is not None and alarm.raised_s < certificate.issued_at.timestamp() <= self.clock():
                by = f"policy {now.version} was proved after it"
                monitoring.clear_alarm(self.connection, task, by, now_s=self.clock())
        return now.policy

    def _served_by_another(self, audit: GradedAudit) -> bool:
        """Without versions: clears the alarm of a task that another policy serves by now."""
        alarm = monitoring.open_alarms(self.connection).get(audit.task)
        raised_s = min(alarm.raised_s, self.clock()) if alarm is not None else 0.0
        if alarm is None or audit.at_s < raised_s or audit.policy == alarm.policy:
            return False
        by = f"policy {audit.policy[:12]} serves in place of {alarm.policy[:12]}"
        return monitoring.clear_alarm(self.connection, audit.task, by, now_s=self.clock())

    def _alike(self, audit: GradedAudit, policy: str) -> bool:
        return monitoring.served_alike(self.connection, audit.task, audit.policy, policy)

    def _alarmed_later(self, audit: GradedAudit) -> bool:
        return monitoring.alarmed_later(self.connection, audit, self.clock())

    def _look(
        self, audit: GradedAudit, active: Policy | None, *, alarmed: bool
    ) -> tuple[Watched, StoredDetector | None, Alarm | None]:
        promised = self.promised(audit.task)
        audited = None if promised is None else audited_of(audit, promised)
        if promised is None or audited is None:
            return Watched(audit, None, "nobody"), None, None
        x = watch(promised.guarantee, promised.target).sample(audited)
        if alarmed:
            return Watched(audit, x, "calibration"), None, None
        of_another = active is not None and not self._alike(audit, active.version)
        if x is None or audit.status == Status.UNCERTIFIED or of_another or self._alarmed_later(audit):
            return Watched(audit, x, "nobody"), None, None
        stored = self._begun(audit, promised)
        detector = _in_time(stored, audit.at_s)
        state = detector.see(stored.state, x)
        alarm = self._alarm(audit, promised, detector, state.seen, detector.level(state), stored)
        kept = detector.start() if alarm is not None else state
        moved = StoredDetector(
            stored.policy, stored.since_s, stored.guarantee, stored.target, detector.false_alarm_samples, kept
        )
        return Watched(audit, x, "detector"), moved, alarm

    def _begun(self, audit: GradedAudit, promised: Promised) -> StoredDetector:
        """The task's detector; a new one where the promise is another, or the policy serves the task another way."""
        stored = monitoring.read_detector(self.connection, audit.task)
        about = promised.guarantee, promised.target
        if stored is not None and (stored.guarantee, stored.target) == about and self._alike(audit, stored.policy):
            return stored
        fresh = once_a_year(watch(promised.guarantee, promised.target), LEAST_A_DAY)
        return StoredDetector(
            audit.policy,
            audit.at_s,
            promised.guarantee,
            promised.target,
            fresh.false_alarm_samples,
            fresh.start(),
        )

    def _alarm(
        self,
        audit: GradedAudit,
        promised: Promised,
        detector: Detector,
        seen: int,
        level: float,
        stored: StoredDetector,
    ) -> Alarm | None:
        if level < 1.0:
            return None
        evidence: Mapping[str, object] = {
            "kind": "alarm",
            "level": level,
            "audits_seen": seen,
            "false_alarm_samples": detector.false_alarm_samples,
            "watched_since_s": stored.since_s,
            "last_trace": audit.trace_id,
            **asdict(promised),
        }
        return Alarm(audit.task, self.clock(), audit.policy, evidence)


def _in_time(stored: StoredDetector, at_s: float) -> Detector:
    """With B for a year of as many audits a day as have come so far. It only rises: that makes no alarm likelier."""
    days = max((at_s - stored.since_s) / DAY_S, 1.0)
    detector = once_a_year(watch(stored.guarantee, stored.target), (stored.state.seen + 1) / days)
    return replace(detector, false_alarm_samples=max(detector.false_alarm_samples, stored.false_alarm_samples))


def audited_of(audit: GradedAudit, promised: Promised) -> Audited | None:
    """As the watches look at it; None where an answer that they need has no grade."""
    if audit.served is None or audit.served not in audit.quality or promised.top not in audit.quality:
        return None
    routed, top = audit.quality[audit.served], audit.quality[promised.top]
    first = audit.quality.get(audit.first) if audit.first != promised.top else None
    return Audited(
        routed=routed,
        top=top,
        cheap=audit.served != promised.top,
        loss=float(routed < promised.handled_at),
        escalated=audit.steps > 1,
        right=first is not None and first >= promised.handled_at,
    )
