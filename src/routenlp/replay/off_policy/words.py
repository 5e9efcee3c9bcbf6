"""A policy judged from another's log, in plain words."""

from __future__ import annotations

from routenlp.replay.intervals import Interval
from routenlp.replay.off_policy.doubly_robust import METHODS
from routenlp.replay.off_policy.evaluation import OffPolicyReport

FEW_ROWS = 100.0
"""Effective rows under which a reader is told how little there is."""
MUCH_LOST = 0.01
"""Of the mean weight: from here on clipping may show in the estimate."""


def in_words(report: OffPolicyReport) -> list[str]:
    """What it would have cost and kept, how that was found, and what weakens it."""
    how = f"{METHODS[report.method].words}, {report.confidence:.0%}"
    groups = "" if report.groups == report.n else f" in {report.groups:,} groups"
    first = (
        f"On {report.n:,} logged queries{groups} the new policy would have cost {_share(report.cost_ratio, 0)} of "
        f"always-top and kept {_share(report.quality_ratio, 1)} of its quality ({how}); weights were clipped on "
        f"{report.trust.share_clipped:.1%} of rows."
    )
    return [first, *_cautions(report)]


def _cautions(report: OffPolicyReport) -> list[str]:
    lines = []
    if report.unsupported > 0.0:
        lines.append(
            f"{report.unsupported:.1%} of its choices could not have been logged: their quality is taken anywhere from "
            "0 to 1 and their cost from nothing to the dearest logged, so there are bounds and no estimate."
        )
    for who, trust in (("the new policy", report.trust), ("always-top", report.top_trust)):
        if trust.effective_rows < FEW_ROWS:
            lines.append(f"Of {who} the log says as much as {trust.effective_rows:.0f} queries would.")
        if trust.lost > MUCH_LOST:
            lines.append(
                f"Clipping took {trust.lost:.1%} of the weight of {who}: for that part the regression is believed."
            )
    if report.cost_ratio.low is None or report.quality_ratio.low is None:
        lines.append("Too few queries carry the estimate for an interval: explore more, or log more.")
    return lines


def _share(value: Interval, digits: int) -> str:
    """`31% [28%, 35%]`; without an estimate `between 28% and 35%`."""
    low, high = (None if v is None else f"{v:.{digits}%}" for v in (value.low, value.high))
    if value.estimate is None:
        return "an unknown share" if low is None or high is None else f"between {low} and {high}"
    estimate = f"{value.estimate:.{digits}%}"
    return estimate if low is None or high is None else f"{estimate} [{low}, {high}]"
