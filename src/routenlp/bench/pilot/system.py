"""What the pilot begins with: tiers and router trained on the first rows, each task proved as far as its settings ask.

No threshold is set by anybody: training tunes, calibration rows prove, and what is not proved is served by the top tier
until the pilot's own audits have proved it.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from routenlp import wiring
from routenlp.bench.pilot import kept
from routenlp.bench.pilot.episodes import INTENTS, RESPONSES
from routenlp.bench.pilot.kept import Kept, first_rows
from routenlp.bench.pilot.models import all_answered
from routenlp.bench.pilot.pools import Pool, divide
from routenlp.bench.pilot.provable import Provable, provable
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.prepare import Prepared, prepare
from routenlp.bench.six_tasks.replayed import Models, models_beside_labels
from routenlp.bench.six_tasks.systems import verdict_at
from routenlp.bench.six_tasks.workload import Workload
from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import issue
from routenlp.conformal.verdict import Status
from routenlp.contracts import Encoder, TokenEncoder
from routenlp.replay.folds import Folds
from routenlp.replay.seen import Seen, with_seen
from routenlp.router.per_task import RouterPerTask
from routenlp.settings import (
    AuditSettings,
    ContentSettings,
    PolicySettings,
    RecalibrationSettings,
    Settings,
    StoreSettings,
    TaskSettings,
)
from routenlp.store import policies
from routenlp.training.distil.students import read_held_out

SYSTEM = "system"
"""The folder of the first system."""
JUDGED_TASKS = frozenset(RESPONSES)
"""Graded by the judge, and a random part by people; the others' audits are graded by people's labels."""
HARD_SHARE = 0.25
"""Of the intents, that the cheap tiers knew least on training rows which they had not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """The system, and the rows that will arrive."""

    settings: Settings
    workload: Workload
    """With the smaller training folds."""
    pools: Mapping[str, Pool]
    provable: Mapping[str, Provable]
    """By task, what its calibration fold is enough for."""
    hard: frozenset[str]
    """Intents."""
    kept: Kept


def settings_for(
    settings: Settings, system: Path, store: Path, tasks: Mapping[str, Folds], budget_usd: float
) -> Settings:
    """The given settings with a store, audits, and the status under which each task may be served.

    `system`, `store`: a folder and a file. `budget_usd`: of audits a day. The built-in prices are a thousand times
    those of today's models, and so is it.
    """
    asked = {name: _asked(settings.tasks[name], folds) for name, folds in tasks.items()}
    return msgspec.structs.replace(
        settings,
        tasks=asked,
        policy=PolicySettings(folder=str(system.resolve())),
        store=StoreSettings(url=f"sqlite:///{store.resolve()}"),
        content=ContentSettings(store="all", redact=()),
        audit=AuditSettings(max_usd_per_day=budget_usd),
        recalibration=RecalibrationSettings(),
    )


def _asked(task: TaskSettings, folds: Folds) -> TaskSettings:
    found = provable(folds, eps=task.eps, delta=task.delta)
    return msgspec.structs.replace(task, serve_when=found.serve_when)


def begin(
    settings: Settings,
    workload: Workload,
    folder: Path,
    encoder: TokenEncoder,
    rich: Encoder,
    progress: Progress,
    models: Models,
) -> Begun:
    """Trains, calibrates and stores the system in `folder`/system, but where it is kept there from an earlier run.

    `settings`: of the pilot. `models`: what tiers say that are neither students nor labels.
    """
    cut = {task: divide(folds, partial(all_answered, models)) for task, folds in workload.folds.items()}
    smaller = replace(workload, folds={task: folds for task, (folds, _) in cut.items()})
    key = kept.key_of(settings, smaller, models)
    found = kept.load(folder, key)
    if found is None:
        shutil.rmtree(folder / SYSTEM, ignore_errors=True)
        found = _train(settings, smaller, folder / SYSTEM, encoder, rich, progress, models)
        kept.save(found, folder, key)
    pools = {task: pool for task, (_, pool) in cut.items()}
    enough = {
        t: provable(f, eps=settings.tasks[t].eps, delta=settings.tasks[t].delta) for t, f in smaller.folds.items()
    }
    return Begun(settings, smaller, pools, enough, _hard_intents(smaller, folder / SYSTEM, settings), found)


def _train(
    settings: Settings,
    workload: Workload,
    system: Path,
    encoder: TokenEncoder,
    rich: Encoder,
    progress: Progress,
    models: Models,
) -> Kept:
    begun_s, processor_s = time.perf_counter(), time.process_time()
    replayed = models_beside_labels(settings, workload, models)
    prepared = prepare(settings, workload, encoder, rich, system, progress, replayed)
    policy = _as_asked(settings, workload, prepared)
    shutil.rmtree(system / wiring.POLICY)
    policies.save(system / wiring.POLICY, policy)
    calibrated, names = prepared.calibrated, prepared.frame.portfolio.names
    first = {
        task: first_rows(names, rows.recorded, calibrated.swept[task], calibrated.published[task])
        for task, rows in prepared.calibration.items()
    }
    return Kept(first, time.perf_counter() - begun_s, time.process_time() - processor_s)


def empirical_tasks(settings: Settings) -> frozenset[str]:
    """Tasks that are served by what was seen, with nothing proved."""
    return frozenset(name for name, task in settings.tasks.items() if task.serve_when == "empirical")


def _as_asked(settings: Settings, workload: Workload, prepared: Prepared) -> Policy:
    """Each task at the boldest policy of the status that its settings ask for, with its certificate."""
    frame, found = prepared.frame, prepared.calibrated.policies
    rules: dict[str, ContinuationRule] = {}
    for task, its in found.items():
        weakest = Status(settings.tasks[task].serve_when)
        rules[task] = its.seen_twice().rule if weakest is Status.EMPIRICAL else its.rule(its.proved(weakest))
    routers = {task: its.router(frame.encoder, frame.surface) for task, its in found.items()}
    top, now = frame.portfolio.top, datetime.now(UTC)
    plain = frame.policy(RouterPerTask(routers, top), RulePerTask(rules, top))
    empirical = empirical_tasks(settings)
    asked = {t: verdict_at(its, Status.ASYMPTOTIC) for t, its in found.items() if t not in empirical}
    proofs = {
        task: issue(task, verdict, plain.proved_for(), now)
        for task, verdict in asked.items()
        if verdict.status is not Status.UNCERTIFIED
    }
    seen = {
        task: Seen([e.query for e in workload.folds[task].calibrate.examples], rows.recorded, settings.tasks[task].eps)
        for task, rows in prepared.calibration.items()
        if task in empirical
    }
    return with_seen(replace(plain, certificates=proofs), seen, now)


def _hard_intents(workload: Workload, system: Path, settings: Settings) -> frozenset[str]:
    """By what the dearest cheap tier said of training rows that it had not seen."""
    intents = next((task for task in INTENTS if task in workload.folds), None)
    if intents is None:
        return frozenset()
    tier = [t.name for t in settings.portfolio if t.backend == "student"][-1]
    said = read_held_out(system / wiring.HELD_OUT / tier)[intents]
    right: dict[str, list[bool]] = defaultdict(list)
    for example in workload.folds[intents].train.examples:
        if example.query.id in said:
            right[example.reference].append(said[example.query.id].text == example.reference)
    order = sorted(right, key=lambda label: (sum(right[label]) / len(right[label]), label))
    return frozenset(order[: round(HARD_SHARE * len(order))])
