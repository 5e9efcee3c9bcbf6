"""One run of the bench: prepare the system, answer the test rows, run every system over them, measure."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from routenlp import wiring
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.measures import Ran, TaskMeasures, measure
from routenlp.bench.six_tasks.prepare import Fitted, Prepared, features, prepare
from routenlp.bench.six_tasks.replayed import Replayed, labels_on_top
from routenlp.bench.six_tasks.rivals import Compared, compare
from routenlp.bench.six_tasks.systems import ROUTENLP, policies
from routenlp.bench.six_tasks.workload import Workload
from routenlp.cascade.machine import start
from routenlp.cascade.policy import Policy
from routenlp.grading.metrics import metric
from routenlp.replay.answered import rows_of
from routenlp.replay.backtest.sla import Sla
from routenlp.replay.intervals import Interval, over_tasks, quantile_interval
from routenlp.replay.recorded import Recorded, record
from routenlp.replay.serve import lookups, serve
from routenlp.settings import Settings
from routenlp.types import Example, Trace

ROUTING_SAMPLE = 500
"""Decisions timed a task."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the tables and the JSON are made of."""

    workload: Workload
    prepared: Prepared
    tasks: Mapping[str, TaskMeasures]
    recorded: Mapping[str, Recorded]
    """The test rows' answers, all tiers."""
    traces: Mapping[str, tuple[Trace, ...]]
    """By task, those of routenlp."""
    examples: Mapping[str, Example]
    """Test rows by query id."""
    overall: Mapping[str, Mapping[str, Interval]]
    """By column head, then system."""
    compared: Mapping[str, Compared]
    """By task, the systems of the paper's main table; empty where they were not asked for."""
    routing_s: Interval
    """Median time of a routing decision."""
    seconds: float
    peak_rss_mb: float


def run(
    settings: Settings,
    workload: Workload,
    folder: Path,
    progress: Progress,
    *,
    rivals: bool,
    replayed: Mapping[str, Replayed] | None = None,
    fitted: Fitted | None = None,
) -> Result:
    """Train, calibrate and test on `workload`; the trained system stays in `folder`. `rivals`: fit others' too.

    `replayed`, `fitted`: as `prepare` takes them.
    """
    begin = time.perf_counter()
    settings = _without_walls(settings)
    replayed = labels_on_top(settings, workload) if replayed is None else replayed
    with progress.stage("loading the encoder"):
        encoder = wiring.minilm(settings, lambda _: None)
    plain, rich = (wiring.cached(encoder.with_pooling(rich=r), settings) for r in (False, True))
    prepared = prepare(settings, workload, plain, rich, folder, progress, replayed, fitted)
    test = [e for folds in workload.folds.values() for e in folds.test.examples]
    system = wiring.build(settings, folder, encoder=encoder, recorded=replayed)
    recorded = {name: _answer_test(settings, name, workload, prepared, system, progress) for name in workload.folds}
    ran = _run_systems(prepared, system.policy, workload, recorded, progress)
    with progress.stage("measuring, with 10,000 bootstrap draws a task") as advance:
        tasks: dict[str, TaskMeasures] = {}
        for name, rows in recorded.items():
            tasks[name] = _measure(settings, name, rows, ran[name], workload)
            advance(len(tasks), len(recorded))
    compared = _compare(settings, workload, prepared, recorded, progress) if rivals else {}
    routing = _time_routing(system.policy, test)
    return Result(
        workload=workload,
        prepared=prepared,
        tasks=tasks,
        recorded=recorded,
        traces={name: of_task[0].traces for name, of_task in ran.items()},
        examples={e.query.id: e for e in test},
        overall=_overall(tasks, [r.n for r in recorded.values()]),
        compared=compared,
        routing_s=routing,
        seconds=time.perf_counter() - begin,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    )


def _without_walls(settings: Settings) -> Settings:
    """Systems are compared over tiers that all answer every task."""
    tasks = {name: msgspec.structs.replace(task, allowed_tiers=None) for name, task in settings.tasks.items()}
    return msgspec.structs.replace(settings, tasks=tasks)


def _answer_test(
    settings: Settings,
    name: str,
    workload: Workload,
    prepared: Prepared,
    system: wiring.System,
    progress: Progress,
) -> Recorded:
    """Every tier answers every test row, one row at a time and with nothing cached, so that latencies are real."""
    examples = workload.folds[name].test.examples
    answers = []
    with progress.stage(f"answering the test rows of {name}") as advance:
        for i, example in enumerate(examples, 1):
            answers.append(tuple(system.backends[t].answer(example.query) for t in prepared.frame.portfolio.names))
            advance(i, len(examples))
    task = settings.tasks[name]
    return record(name, task.handled_at, examples, answers, metric(task.metric).quality, prepared.frame.scorer)


def _run_systems(
    prepared: Prepared,
    stored: Policy,
    workload: Workload,
    recorded: Mapping[str, Recorded],
    progress: Progress,
) -> dict[str, list[Ran]]:
    """Every system over every task's test rows, through the machine; ours is the policy read back from the store."""
    limits = Sla({name: task.sla_s for name, task in prepared.frame.tasks.items()})
    systems = {**policies(prepared.frame, prepared.calibrated, limits, datetime.now(UTC)), ROUTENLP: stored}
    out: dict[str, list[Ran]] = {}
    with progress.stage("running every system") as advance:
        for name, rows in recorded.items():
            queries = [e.query for e in workload.folds[name].test.examples]
            backends = lookups(rows)
            position = {tier: k for k, tier in enumerate(rows.tiers)}
            out[name] = []
            for system, policy in systems.items():
                traces = tuple(serve(policy, backends, query) for query in queries)
                quality = np.array([rows.quality[i, position[t.answer.tier]] for i, t in enumerate(traces)])
                out[name].append(Ran(system, traces, quality))
                advance(sum(map(len, out.values())), len(recorded) * len(systems))
    return out


def _compare(
    settings: Settings, workload: Workload, prepared: Prepared, recorded: Mapping[str, Recorded], progress: Progress
) -> dict[str, Compared]:
    """The systems of the paper's main table, each fitted, tuned and replayed on the same rows."""
    out: dict[str, Compared] = {}
    for name, tested in recorded.items():
        queries = [e.query for e in workload.folds[name].test.examples]
        test = rows_of(tested, features(prepared.frame, queries))
        with progress.stage(f"fitting the systems of the paper's main table to {name}") as advance:
            out[name] = compare(
                prepared.calibrated.policies[name],
                test,
                tested,
                sla_s=settings.tasks[name].sla_s,
                seed=settings.seed,
                advance=advance,
            )
    return out


def _measure(settings: Settings, name: str, rows: Recorded, ran: list[Ran], workload: Workload) -> TaskMeasures:
    task = settings.tasks[name]
    expected = [e.reference for e in workload.folds[name].test.examples]
    grader = metric(task.metric)
    return measure(ran, rows, task.sla_s, lambda texts: grader.corpus(texts, expected), seed=settings.seed)


def _overall(tasks: Mapping[str, TaskMeasures], sizes: list[int]) -> dict[str, dict[str, Interval]]:
    systems = next(iter(tasks.values())).quality_ratio.estimates
    columns = {
        "quality ratio": over_tasks([t.quality_ratio for t in tasks.values()]),
        "cost ratio": over_tasks([t.cost_ratio for t in tasks.values()]),
        "quality ratio by queries": over_tasks([t.quality_ratio for t in tasks.values()], sizes),
        "cost ratio by queries": over_tasks([t.cost_ratio for t in tasks.values()], sizes),
    }
    return {head: {system: draws.interval(system) for system in systems} for head, draws in columns.items()}


def _time_routing(policy: Policy, test: list[Example], clock: Callable[[], float] = time.perf_counter) -> Interval:
    """The median decision, text to the first tier called, with its interval; spread over all tasks."""
    step = max(1, len(test) // ROUTING_SAMPLE)
    times = []
    for example in test[::step]:
        begin = clock()
        start(policy, example.query)
        times.append(clock() - begin)
    return quantile_interval(times, 0.5)
