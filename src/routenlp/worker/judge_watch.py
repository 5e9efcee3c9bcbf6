"""Watches the judge: on every audit that people were drawn to grade too, its grades are held against theirs, once.

Where it has become more lenient, or harsher, than it was, the task's alarm is raised as for a quality that fell: a
judge that changed is another judge than the one the certificate was proved with, and the watch over quality counts on
its grades. So the top tier serves, and the task is calibrated again on audits from after the alarm, where the judge is
corrected by people as it is now. A task none of whose audits has a judge's grades alone needs no such alarm.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from routenlp.draws import draw
from routenlp.drift.detector import DAYS_A_YEAR
from routenlp.drift.judge import JudgeDetector, JudgeState, leniency, more_lenient
from routenlp.store.sql import judging
from routenlp.store.sql.judging import BothGraded, StoredJudgeDetector
from routenlp.store.sql.monitoring import Alarm
from routenlp.worker.labels import gold_draw
from routenlp.worker.promised import DAY_S, LEAST_A_DAY, Promised

_LOG = logging.getLogger("routenlp.worker")


@dataclass(frozen=True, slots=True, eq=False)
class JudgeWatch:
    """Of one worker."""

    connection: sqlite3.Connection
    promised: Callable[[str], Promised | None]
    """By task; None for one that is gone."""
    clock: Callable[[], float]

    def run(self, most: int) -> tuple[int, list[Alarm]]:
        """How many of up to `most` audits it learned from, in the order of their queries; and the alarms raised."""
        learned, raised = 0, []
        for audit in judging.both_graded(self.connection, most):
            gap, detector, alarm = self._look(audit)
            judging.put_compared(self.connection, audit, gap, detector, alarm)
            learned += gap is not None
            if alarm is not None:
                raised.append(alarm)
        return learned, raised

    def _look(self, audit: BothGraded) -> tuple[float | None, StoredJudgeDetector | None, Alarm | None]:
        promised = self.promised(audit.task)
        # Who was not drawn was chosen by somebody: what that says of the judge is not what a random query says.
        if promised is None or gold_draw(audit.trace_id) >= audit.gold_propensity:
            return None, None, None
        of = promised.guarantee, promised.target, promised.handled_at, promised.top
        gap = leniency(*of, audit.gold, audit.judged)
        if gap is None:
            return None, None, None
        stored = self._begun(audit, {"judge": audit.judge, **asdict(promised)})
        days = max((audit.at_s - stored.since_s) / DAY_S, 1.0)
        year = DAYS_A_YEAR * (stored.state.seen + 1) / days  # B only rises, as the alarm's does
        detector = JudgeDetector(max(stored.false_alarm_samples, year))
        state = detector.see(stored.state, gap, draw("judge", audit.trace_id))
        alarm = self._alarm(audit, promised, detector, stored, state) if detector.level(state) >= 1.0 else None
        since_s, kept = (stored.since_s, state) if detector.level(state) < 1.0 else (audit.at_s, detector.start())
        return gap, StoredJudgeDetector(stored.about, since_s, detector.false_alarm_samples, kept), alarm

    def _begun(self, audit: BothGraded, about: Mapping[str, Any]) -> StoredJudgeDetector:
        """The task's detector; a new one where the judge or the promise is another."""
        stored = judging.read_judge_detector(self.connection, audit.task)
        if stored is not None and stored.about == about:
            return stored
        fewest = DAYS_A_YEAR * LEAST_A_DAY
        return StoredJudgeDetector(about, audit.at_s, fewest, JudgeDetector(fewest).start())

    def _alarm(
        self,
        audit: BothGraded,
        promised: Promised,
        detector: JudgeDetector,
        stored: StoredJudgeDetector,
        state: JudgeState,
    ) -> Alarm | None:
        why = f"The judge {audit.judge} {words(state)} than it did, by {state.seen:,} queries that people graded too."
        _LOG.error("%s: %s", audit.task, why)
        if not judging.rests_on_judge(self.connection, audit.task):
            return None
        evidence = {
            "kind": "judge",
            "judge": audit.judge,
            "why": why,
            "level": detector.level(state),
            "audits_seen": state.seen,
            "false_alarm_samples": detector.false_alarm_samples,
            "watched_since_s": stored.since_s,
            "last_trace": audit.trace_id,
            **asdict(promised),
        }
        return Alarm(audit.task, self.clock(), judging.newest_policy(self.connection, audit.task), evidence)


def words(state: JudgeState) -> str:
    """What the judge does."""
    return "grades cheap answers more leniently" if more_lenient(state) else "grades cheap answers more harshly"
