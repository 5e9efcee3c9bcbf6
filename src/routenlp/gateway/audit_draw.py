"""Which requests are audited: drawn before anything but the task is known, from the entropy of the trace's id.

The draw reads no text, no route and no answer, so audits are a random sample of a task's requests and their share is a
probability that is known. Whoever holds a trace's id can draw again and must get the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from routenlp.conformal.verdict import Status
from routenlp.draws import draw
from routenlp.drift.audit_rate import Why
from routenlp.settings import Settings
from routenlp.store.sql.audit_rates import PlannedRate

_PROVED = frozenset({Status.CERTIFIED, Status.ASYMPTOTIC})


@dataclass(frozen=True, slots=True)
class Drawn:
    """How much of a task is audited, and why."""

    rate: float
    """Of its requests."""
    why: str


NOT_KEPT = Drawn(0.0, "content.store is none: another tier could never be asked the same")
ALARMED = Drawn(1.0, "an alarm is open: every request")


def audit_rate(
    settings: Settings, status: Status, planned: PlannedRate | None = None, *, alarmed: bool = False
) -> Drawn:
    """Under a certificate `audit.rate`, or what the worker has `planned` by the task's own requests, within
    `audit.most_rate`; the same of a task that is served by what was seen, once enough of its audits are graded. Before
    that, and until there are enough after an alarm, `audit.bootstrap_rate`, and all while an alarm is open, unless
    audits are off.
    """
    audit = settings.audit
    if settings.store is None or settings.content.store == "none":
        return NOT_KEPT
    if alarmed and audit.bootstrap_rate > 0.0:
        return ALARMED
    seen = status is Status.EMPIRICAL and planned is not None and planned.seen_enough
    if status not in _PROVED and not seen:
        return Drawn(audit.bootstrap_rate, f"audit.bootstrap_rate: the task is {status}")
    if planned is None or audit.rate <= 0.0:
        return Drawn(audit.rate, "audit.rate")
    if planned.planned.why is Why.ANEW:
        return Drawn(max(audit.rate, audit.bootstrap_rate), str(Why.ANEW))
    within = min(max(planned.planned.rate, audit.rate), max(audit.most_rate, audit.rate))
    return Drawn(within, str(planned.planned.why))


def audit_tiers(settings: Settings, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Of the task's allowed tiers, those that audits run."""
    wanted = settings.audit.tiers
    return allowed if wanted == "all" else tuple(tier for tier in allowed if tier in wanted)


def is_audited(trace_id: str, rate: float) -> bool:
    """True with probability `rate` over trace ids, and always the same for one id."""
    return draw("audit", trace_id) < rate
