"""What rule `paper` promises for a task, and what was seen of the things that it does not promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.conformal.paper import PaperThreshold
from routenlp.conformal.rates import Rates
from routenlp.conformal.verdict import Status


@dataclass(frozen=True, slots=True)
class PaperReport:
    """Rule `paper` on one task, beside the rules that bound wrong answers."""

    alpha: float
    thresholds: tuple[float | None, ...]
    """One a cheap tier, cheapest first; None escalates."""
    n: tuple[int, ...]
    """Calibrated answers of each cheap tier."""
    n0: tuple[int, ...]
    """Those that were handled."""
    seen: Rates
    """On rows of the caller's choice, better not those that set the thresholds."""
    status: Status
    reason: str


def paper_report(tiers: Sequence[PaperThreshold], seen: Rates, *, grouped: bool) -> PaperReport:
    """The report of thresholds from `paper_threshold`, one a cheap tier.

    Promise (CERTIFIED): of each cheap tier's correct answers at most alpha are escalated, on average over calibration
    draws and queries; it has no delta, and it says nothing about accepted answers that are wrong. It needs exchangeable
    *answers of that tier*, so it holds of a tier on the queries that it was calibrated on; grouped rows give EMPIRICAL.
    """
    given = [tier.promise_given for tier in tiers]
    status, reason = _judged(all(given) and bool(given), grouped, [i + 1 for i, fine in enumerate(given) if not fine])
    return PaperReport(
        alpha=tiers[0].alpha if tiers else float("nan"),
        thresholds=tuple(tier.threshold for tier in tiers),
        n=tuple(tier.n for tier in tiers),
        n0=tuple(tier.n0 for tier in tiers),
        seen=seen,
        status=status,
        reason=reason,
    )


def _judged(given: bool, grouped: bool, short: list[int]) -> tuple[Status, str]:
    if not given:
        names = ", ".join(str(i) for i in short) or "none present"
        return (
            Status.UNCERTIFIED,
            f"Too few correct calibration answers (cheap tier {names}): the promise is not given.",
        )
    if grouped:
        return Status.EMPIRICAL, "Rows come in groups, so that correct answers are not exchangeable one by one."
    return (
        Status.CERTIFIED,
        "Bounds how often a correct answer is escalated, on average; wrong answers are not bounded.",
    )
