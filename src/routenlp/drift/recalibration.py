"""When a task is calibrated again, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from routenlp.errors import DataError


class Trigger(StrEnum):
    """Why: stored with the version that comes of it. Listed by urgency, which decides where several hold."""

    ALARM = "alarm"
    VOIDED = "voided certificate"
    COVERAGE_FELL = "coverage fell"
    """The paper's rule."""
    SCHEDULE = "schedule"
    """The paper's rule."""
    LABELS = "label count"
    HAND = "by hand"


@dataclass(frozen=True, slots=True)
class PaperSchedule:
    """The paper's rule (section 2): every 48 hours, or as soon as coverage is 5 points under what it was.

    Coverage is the share of right cheap answers that were accepted, over the newest audits.
    """

    every_s: float = 48 * 3600.0
    newest: int = 2_000
    """Audits that coverage is taken over, and that a recalibration uses."""
    drop: float = 0.05

    def __post_init__(self) -> None:
        if not (self.every_s > 0.0 and self.newest >= 1 and 0.0 < self.drop <= 1.0):
            raise DataError(
                "schedule", f"is {self.every_s} s, {self.newest} audits, {self.drop}", "All must be positive."
            )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a task when it is asked whether to calibrate it."""

    alarmed: bool = False
    voided: bool = False
    """Something that the certificate was proved for has changed."""
    since_s: float | None = None
    """Since the last calibration; None: there was none. A clock that was set back gives a negative one."""
    coverage_then: float | None = None
    """At the last calibration."""
    coverage_now: float | None = None
    labels: int = 0
    """Graded since the last calibration."""
    labels_wanted: int | None = None
    """How many make it worth while: those that the last one still needed; None: it needs none."""
    asked: bool = False
    """By a person."""


def due(standing: Standing, schedule: PaperSchedule | None = None) -> Trigger | None:
    """The most urgent reason to calibrate now; None: there is none. `schedule`: where the paper's rule is selected.

    A clock that jumps cannot hold a schedule up for ever: an age below 0 counts as due.
    """
    found = {
        Trigger.ALARM: standing.alarmed,
        Trigger.VOIDED: standing.voided,
        Trigger.COVERAGE_FELL: schedule is not None and _fell(standing, schedule.drop),
        Trigger.SCHEDULE: schedule is not None and _old(standing.since_s, schedule.every_s),
        Trigger.LABELS: standing.labels_wanted is not None and standing.labels >= standing.labels_wanted,
        Trigger.HAND: standing.asked,
    }
    return next((trigger for trigger, holds in found.items() if holds), None)


FIRST_LOOK = 0.75
"""Of what is left of delta, that a look at some rows may spend."""


def level(delta: float, looks: int) -> float:
    """At which rows may be tested that `looks` earlier attempts have tested too, together with other rows or not.

    Promise: over all attempts that share a row the levels sum to less than `delta`. Most of it goes to the first one,
    because an attempt is made when it is likely to pass. Rows that none has tested are as good as new.
    """
    return delta * FIRST_LOOK * (1.0 - FIRST_LOOK) ** looks


def _fell(standing: Standing, drop: float) -> bool:
    then, now = standing.coverage_then, standing.coverage_now
    return then is not None and now is not None and then - now >= drop - 1e-12


def _old(since_s: float | None, every_s: float) -> bool:
    return since_s is None or since_s < 0.0 or since_s >= every_s
