"""What a system did on one task's test rows, measured with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.replay.intervals import Interval, RatioDraws, RowRatio, paired_bootstrap, quantile_interval, wilson
from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray, Trace


@dataclass(frozen=True, slots=True)
class Ran:
    """One system's traces over one task's test rows, with the quality of each returned answer."""

    system: str
    traces: tuple[Trace, ...]
    quality: FloatArray


@dataclass(frozen=True, slots=True)
class Measures:
    """One row of the table. Ratios are over always-top on the same rows."""

    task: str
    system: str
    n: int
    groups: int
    quality: Interval
    quality_ratio: Interval
    cost_ratio: Interval
    tier_shares: Mapping[str, Interval]
    """By tier, the share of queries that it finally answered."""
    escalated: Interval
    """Share of queries that went on from their first tier."""
    p_escalated_given_correct: Interval
    """Of the cheap tiers' answers that were handled, the share that was escalated: what the paper's rule bounds."""
    p_accepted_and_failed: Interval
    """Share of queries answered by a cheap tier, and failed."""
    p_failed_given_accepted: Interval
    """Of the queries answered by a cheap tier, the share that failed."""
    latency_p50_s: Interval
    latency_p99_s: Interval
    sla_missed: Interval
    corpus: Mapping[str, float]
    """Figures over all answers at once (macro-F1, micro-F1), by name."""


@dataclass(frozen=True, slots=True)
class TaskMeasures:
    """Every system on one task, and the draws behind the ratios, for means over tasks and paired differences."""

    rows: tuple[Measures, ...]
    quality_ratio: RatioDraws
    cost_ratio: RatioDraws


def measure(
    ran: Sequence[Ran],
    recorded: Recorded,
    sla_s: float,
    corpus: Callable[[Sequence[str]], Mapping[str, float]],
    *,
    seed: int,
) -> TaskMeasures:
    """Measure every system in `ran` on the rows of `recorded`. `corpus` maps all answers to figures by name."""
    top_quality, top_cost = recorded.quality[:, -1], recorded.cost_usd[:, -1]
    ones = np.ones(recorded.n)
    draws = {
        name: paired_bootstrap(ratios, recorded.groups, seed=seed)
        for name, ratios in (
            ("quality", {r.system: RowRatio(r.quality, ones) for r in ran}),
            ("quality_ratio", {r.system: RowRatio(r.quality, top_quality) for r in ran}),
            ("cost_ratio", {r.system: RowRatio(_costs(r.traces), top_cost) for r in ran}),
        )
    }
    rows = tuple(_row(r, recorded, sla_s, corpus, draws) for r in ran)
    return TaskMeasures(rows, draws["quality_ratio"], draws["cost_ratio"])


def _row(
    ran: Ran,
    recorded: Recorded,
    sla_s: float,
    corpus: Callable[[Sequence[str]], Mapping[str, float]],
    draws: Mapping[str, RatioDraws],
) -> Measures:
    n, top = recorded.n, recorded.tiers[-1]
    failed = ran.quality < recorded.handled_at
    cheap = np.array([t.answer.tier != top for t in ran.traces])
    latency = np.array([t.latency_s for t in ran.traces])
    handled_cheap, escalated_handled = _handled_cheap(ran.traces, recorded)
    return Measures(
        task=recorded.task,
        system=ran.system,
        n=n,
        groups=len(set(recorded.groups)),
        quality=draws["quality"].interval(ran.system),
        quality_ratio=draws["quality_ratio"].interval(ran.system),
        cost_ratio=draws["cost_ratio"].interval(ran.system),
        tier_shares={t: wilson(sum(x.answer.tier == t for x in ran.traces), n) for t in recorded.tiers},
        escalated=wilson(sum(len(t.steps) > 1 for t in ran.traces), n),
        p_escalated_given_correct=wilson(escalated_handled, handled_cheap),
        p_accepted_and_failed=wilson(int((cheap & failed).sum()), n),
        p_failed_given_accepted=wilson(int((cheap & failed).sum()), int(cheap.sum())),
        latency_p50_s=quantile_interval(latency, 0.50),
        latency_p99_s=quantile_interval(latency, 0.99),
        sla_missed=wilson(int((latency > sla_s).sum()), n),
        corpus=corpus([t.answer.text for t in ran.traces]),
    )


def _handled_cheap(traces: Sequence[Trace], recorded: Recorded) -> tuple[int, int]:
    """How many cheap answers were given and handled, and how many of those were escalated all the same."""
    position = {tier: k for k, tier in enumerate(recorded.tiers)}
    given = escalated = 0
    for i, trace in enumerate(traces):
        for step in trace.steps:
            k = position[step.answer.tier]
            if k < len(recorded.tiers) - 1 and recorded.quality[i, k] >= recorded.handled_at:
                given += 1
                escalated += not step.accepted
    return given, escalated


def _costs(traces: Sequence[Trace]) -> FloatArray:
    return np.array([trace.cost_usd for trace in traces])
