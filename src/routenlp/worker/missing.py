"""When too many audits are missing for a certificate to be made on the others, or to be kept."""

from __future__ import annotations

from routenlp.settings import Settings
from routenlp.store.sql.settled import Settled

FEWEST = 100
"""Settled audits that a share is taken of at the least, where a certificate is to be kept: one audit of five that
breaks says little, and six of five hundred nothing."""


def too_many_to_prove(found: Settled, most: float) -> bool:
    """`most`: the largest share of the settled audits."""
    return found.share is not None and found.share > most


def too_many_to_keep(found: Settled, most: float) -> bool:
    """The same of a certificate that is in force."""
    return found.missing > most * max(found.graded + found.missing, FEWEST)


def graded_wanted(found: Settled, most: float) -> int:
    """Graded audits beside which those that are missing would be few enough; nothing helps where none may be."""
    return round(found.missing * (1.0 - most) / most) if most > 0.0 else found.graded + found.missing


def missing_words(found: Settled, settings: Settings) -> str:
    """How many, of how many, why, and how many may be."""
    share, most = found.share or 0.0, settings.audit.most_missing
    return (
        f"{found.missing:,} of {found.graded + found.missing:,} audits are missing ({share:.1%}, and "
        f"audit.most_missing is {most:.1%}), {_mostly(found)}"
    )


def because(settings: Settings) -> str:
    """The setting under which no audit can be graded; empty where none forbids it."""
    if settings.audit.max_usd_per_day <= 0.0:
        return "audit.max_usd_per_day is 0."
    if settings.audit.rate <= 0.0:
        return "audit.rate is 0."
    if settings.content.store == "none":
        return "content.store is none, and what is not kept cannot be asked again."
    return ""


def _mostly(found: Settled) -> str:
    reason, n = next(iter(found.reasons.items()), ("", 0))
    return f"{n:,} of them by {reason}." if reason else "for no reason on record."
