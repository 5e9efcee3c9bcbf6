"""All figures of a report, from records alone: no clock, no disk; what is drawn follows from `seed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routenlp.replay.report.changes import Changes, History, changes
from routenlp.replay.report.human import HumanEvaluation, human_evaluation
from routenlp.replay.report.quality import Promise, TaskQuality, task_quality
from routenlp.replay.report.sampling import TaskSampling, sampling
from routenlp.replay.report.savings import Measured, Savings, measure, measure_task, spent_on
from routenlp.replay.report.timeline import Timeline, timeline
from routenlp.replay.report.unknown import not_known
from routenlp.replay.report.usable import sort_audits
from routenlp.store.sql.pairs import ReportedPair
from routenlp.store.sql.reported import AuditSpend, Kept, Period, ReportedAudit, Traffic


@dataclass(frozen=True, slots=True)
class Turns:
    """What the loop's turns paid a teacher beyond traffic, as their plans foresaw."""

    turns: int
    usd: float | None
    """None where one left no plan."""


@dataclass(frozen=True, slots=True)
class Records:
    """What was read."""

    period: Period
    traffic: Sequence[Traffic]
    audits: Sequence[ReportedAudit]
    spend: Sequence[AuditSpend]
    kept: Kept
    history: History
    turns: Turns
    promises: Mapping[str, Promise] | None
    """By task; None where no settings were read."""
    pairs: Sequence[ReportedPair] = ()
    """Drawn for people to compare."""
    to_compare: Mapping[str, str] | None = None
    """Tasks whose answers are texts, and the tier that theirs are compared with; None where no settings were read."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said."""

    period: Period
    requests: int
    first_s: float | None
    last_s: float | None
    savings: Savings
    quality: tuple[TaskQuality, ...]
    human: tuple[HumanEvaluation, ...]
    """Of tasks whose answers are texts, and of others that people compared."""
    changes: Changes
    sampling: tuple[TaskSampling, ...]
    kept: Kept
    timeline: Timeline
    not_known: tuple[str, ...]


def figures(records: Records, *, seed: int) -> Figures:
    """Every figure with its interval, or unknown where the records do not say."""
    traffic, audits = records.traffic, records.audits
    promises = records.promises or {}
    tasks = sorted({t.task for t in traffic} | {a.task for a in audits})
    by_task = {task: [a for a in audits if a.task == task] for task in tasks}
    measured: list[Measured] = [
        found for task in tasks if (found := measure_task(task, traffic, audits, seed=seed)) is not None
    ]
    spent = spent_on(traffic, records.spend, records.turns.turns, records.turns.usd)
    savings = measure(measured, traffic, spent)
    quality = tuple(task_quality(task, by_task[task], promises.get(task), seed=seed) for task in tasks)
    graded = {task: sort_audits(found, 1.0).graded for task, found in by_task.items()}
    line = timeline(traffic, measured, graded, seed=seed)
    sampled = tuple(sampling(traffic))
    return Figures(
        records.period,
        sum(t.requests for t in traffic),
        min((t.first_s for t in traffic), default=None),
        max((t.last_s for t in traffic), default=None),
        savings,
        quality,
        tuple(_human(records, tasks, seed)),
        changes(records.history, records.period),
        sampled,
        records.kept,
        line,
        tuple(not_known(savings, quality, sampled, line, records.kept, promised=records.promises is not None)),
    )


def _human(records: Records, tasks: Sequence[str], seed: int) -> Iterator[HumanEvaluation]:
    of_texts = records.to_compare or {}
    drawn = {pair.task for pair in records.pairs}
    for task in tasks:
        if task in drawn or task in of_texts:
            yield human_evaluation(task, records.pairs, of_texts.get(task), seed=seed)
