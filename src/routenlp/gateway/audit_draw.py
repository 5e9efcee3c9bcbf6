"""Which requests are audited: drawn before anything but the task is known, from the entropy of the trace's id.

The draw reads no text, no route and no answer, so audits are a random sample of a task's requests and their share is a
probability that is known. Whoever holds a trace's id can draw again and must get the same.
"""

from __future__ import annotations

from routenlp.conformal.verdict import Status
from routenlp.draws import draw
from routenlp.settings import Settings

_PROVED = frozenset({Status.CERTIFIED, Status.ASYMPTOTIC})


def audit_rate(settings: Settings, status: Status, *, alarmed: bool = False) -> float:
    """Share of a task's requests that is audited: `audit.rate` under a certificate, else `audit.bootstrap_rate`, and
    all while an alarm is open, unless audits are off.

    0 where no content may be stored: another tier could never be asked the same.
    """
    if settings.store is None or settings.content.store == "none":
        return 0.0
    if alarmed and settings.audit.bootstrap_rate > 0.0:
        return 1.0
    return settings.audit.rate if status in _PROVED else settings.audit.bootstrap_rate


def audit_tiers(settings: Settings, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Of the task's allowed tiers, those that audits run."""
    wanted = settings.audit.tiers
    return allowed if wanted == "all" else tuple(tier for tier in allowed if tier in wanted)


def is_audited(trace_id: str, rate: float) -> bool:
    """True with probability `rate` over trace ids, and always the same for one id."""
    return draw("audit", trace_id) < rate
