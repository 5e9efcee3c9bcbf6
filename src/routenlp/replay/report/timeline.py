"""Cost and quality by day, or by week where the period is long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.replay.intervals import Interval
from routenlp.replay.report.quality import quality_ratio
from routenlp.replay.report.savings import Measured
from routenlp.replay.report.usable import Graded
from routenlp.store.sql.money import day_of
from routenlp.store.sql.reported import Traffic
from routenlp.types import FloatArray

MOST_DAYS = 14
"""Shown day by day; a longer period is shown by weeks, each of which has more audits."""
WEEK = 7
_MONDAY = 4
"""5 January 1970, as a day since the first of that month."""


@dataclass(frozen=True, slots=True)
class Span:
    """One day or week."""

    day: int
    """Its first, of UTC since 1970."""
    requests: int
    paid_usd: float
    """For serving measured tasks; like the next."""
    top_usd: float | None
    """What always-top would have cost; None where no task is measured."""
    quality_ratio: Interval
    """On its audits, over all tasks' requests together."""
    audits: int
    """Graded."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """In order, without the spans on which nothing came."""

    days_each: int
    spans: tuple[Span, ...]


def timeline(
    traffic: Sequence[Traffic], tasks: Sequence[Measured], graded: Mapping[str, Graded], *, seed: int
) -> Timeline:
    """`graded`: by task."""
    days = [t.day for t in traffic]
    each = 1 if not days or max(days) - min(days) < MOST_DAYS else WEEK
    measured = {m.savings.task: m.residual_usd for m in tasks if m.estimate is not None}
    whole = _joined(graded)
    spans = []
    for first in sorted({_first(day, each) for day in days}):
        ours = [t for t in traffic if _first(t.day, each) == first]
        counted = [t for t in ours if t.task in measured and t.covered and t.way in ("routed", "by rule")]
        top = sum(_top_usd(t, measured[t.task]) for t in counted) if counted else None
        rows = [i for i, a in enumerate(whole.audits) if _first(day_of(a.at_s), each) == first]
        part = whole.of(rows)
        paid = sum(t.cost_usd for t in counted)
        ratio = quality_ratio(part, seed=seed)
        spans.append(Span(first, sum(t.requests for t in ours), paid, top, ratio, len(rows)))
    return Timeline(each, tuple(spans))


def _first(day: int, each: int) -> int:
    """Day of the span that `day` lies in: weeks begin on Mondays."""
    return day - (day - _MONDAY) % each


def _top_usd(traffic: Traffic, residual_usd: float) -> float:
    if traffic.way == "by rule":
        return traffic.cost_usd
    return (traffic.top_estimate_usd or 0.0) + traffic.requests * residual_usd


def _joined(graded: Mapping[str, Graded]) -> Graded:
    parts = list(graded.values())

    def column(name: str) -> FloatArray:
        return np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)])

    audits = tuple(audit for part in parts for audit in part.audits)
    columns = (column("weight"), column("served"), column("top"), column("failed"))
    return Graded(audits, *columns, sum(part.gold for part in parts))
