"""How much of a task's traffic is audited: as much as the alarm needs to be in time, and no more than that is worth.

A detector (`drift.detector`) grows with each audited loss over its target. Were the risk to double, from exactly its
target alpha (or eps) on, it would take audits on which some `LOSSES` losses at the target are due until the alarm, at
the median, whatever the target: with n audits a day that is LOSSES / (alpha n) days. So a rise is found in
`alarm_days` with

    n = LOSSES / (alpha alarm_days)     audits a day,    rate = n / requests a day.

An audit asks every tier, so auditing a share r of the requests costs at most r of what routing saves on them: where
the answer came from the top tier it costs the cheap ones, elsewhere what was saved. `most_rate` bounds that share, and
`rate` is what a task has however many requests it gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LOSSES = 17.0
"""Losses at the target until the alarm, at the median, when the risk has doubled. Simulated (`drift.delay`) at three
days and targets of 0.03 to 0.10: 14 to 17."""
SEEN = 500
"""Graded audits from which on a task that is served by what was seen (EMPIRICAL) is audited like a certified one.
Nothing waits for more: a recalibration after an alarm counts audits from after it, of which 500 are plenty (DESIGN,
Audit), and with so many a ratio near 0.97 is known to within 0.02."""


class Why(StrEnum):
    """What a rate follows from."""

    OFF = "audit.rate is 0"
    UNKNOWN = "audit.rate: requests are not known for a day yet"
    ENOUGH = "audit.rate brings an alarm in time"
    ALARM = "audits that an alarm needs in audit.alarm_days"
    MOST = "audit.most_rate, under what an alarm needs in audit.alarm_days"
    ANEW = "audit.bootstrap_rate: few audits are graded since the last alarm"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the settings ask for."""

    rate: float
    """Of the requests, at the least; 0: audits are off."""
    most_rate: float
    """Of the requests, at the most, where `rate` is not more."""
    alarm_days: float
    """Until the alarm, were the risk to double."""
    bootstrap_rate: float = 0.0
    """Of the requests, while a proof can rest on few audits."""


@dataclass(frozen=True, slots=True)
class AuditRate:
    """Of one task."""

    rate: float
    """Of its requests."""
    why: Why
    alarm_days: float | None
    """In which a doubled risk raises an alarm at this rate, at the median; None where it is not known."""


def audits_wanted(target: float, alarm_days: float) -> float:
    """Audits a day with which a risk that has doubled from `target` raises an alarm within so many days."""
    return LOSSES / (target * alarm_days)


def planned_rate(
    requests_a_day: float | None, target: float, asked: Asked, *, since_alarm: int | None = None
) -> AuditRate:
    """`requests_a_day`: that may be drawn, over 0; None where that is not known. `target`: alpha, or eps of
    `quality_ratio`; at 0 no risk is allowed, and every loss speaks at once. `since_alarm`: audits graded since the
    last alarm; None where there was none.

    What is proved after an alarm rests on audits from after it. With few of them it is cautious, which costs more than
    audits do (docs/decisions/drift.md).
    """
    if asked.rate <= 0.0:
        return AuditRate(0.0, Why.OFF, None)
    plain = _planned(requests_a_day, target, asked)
    if since_alarm is None or since_alarm >= SEEN or plain.rate >= asked.bootstrap_rate:
        return plain
    days = plain.alarm_days
    return AuditRate(asked.bootstrap_rate, Why.ANEW, None if days is None else days * plain.rate / asked.bootstrap_rate)


def _planned(requests_a_day: float | None, target: float, asked: Asked) -> AuditRate:
    if requests_a_day is None:
        return AuditRate(asked.rate, Why.UNKNOWN, None)
    needed = audits_wanted(target, asked.alarm_days) / requests_a_day if target > 0.0 else 0.0
    most = max(asked.most_rate, asked.rate)
    rate = min(max(needed, asked.rate), most)
    why = Why.ENOUGH if needed <= asked.rate else Why.ALARM if needed <= most else Why.MOST
    days = asked.alarm_days * needed / rate
    return AuditRate(rate, why, days if needed > 0.0 else None)
