"""From new tiers to a candidate: what was taught is fitted and proved again, the rest is as it was, all in one folder.

A certificate never survives a change, and every new student is one. So the ladder of each task that was taught is
walked anew on its calibration rows, which no lesson may resemble. A task that was taught nothing keeps its students,
its router and its rules, bit for bit, and so its certificate goes on (`worker.renewed.carried`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from routenlp import wiring
from routenlp.cascade.committing import Committing, committed
from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.per_task import RulePerTask, rule_of
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.conformal.certificate import Certificate, issue
from routenlp.conformal.verdict import Status
from routenlp.contracts import Router, StopRule
from routenlp.replay import rungs
from routenlp.replay.answered import rows_of
from routenlp.replay.backtest.certify import Target
from routenlp.replay.calibrate import calibration_rows
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded
from routenlp.replay.rungs import KeptLadder
from routenlp.replay.seen import Seen, with_seen
from routenlp.replay.task_policies import TaskPolicies, fit_policies
from routenlp.router.per_task import RouterPerTask, router_of
from routenlp.router.reading import SURFACE, SurfaceFrame, frame_surface, reading, surface
from routenlp.store import artefacts, policies, rows_book
from routenlp.store.rows_book import TaskRows
from routenlp.training.distil.distiller import Distilled
from routenlp.training.distil.students import write_held_out
from routenlp.types import Parts, Prediction, Query, Vectors
from routenlp.wiring import HELD_OUT, LADDER, POLICY, ROUTER_ENCODER, ROWS, TIERS
from routenlp.worker.renewed import carried, kept_ladders
from routenlp.worker.turn.system import HeldOut, TurnSystem, load_students


@dataclass(frozen=True, slots=True)
class TaskProof:
    """What was proved of one task's new policy."""

    task: str
    status: Status
    calibration_rows: int
    reason: str


def make_candidate(
    system: TurnSystem,
    made: Sequence[Distilled],
    rows: Mapping[str, TaskRows],
    alarmed: Collection[str],
    folder: Path,
    issued_at: datetime,
    advance: Callable[[int, int], None],
) -> tuple[TaskProof, ...]:
    """Writes the candidate to `folder`, which must not exist, in the layout of the folder that serves.

    `rows`: of the tasks that were taught, with the lessons among the training rows; a proof comes of each, and what was
    `made` of any other task is not taken. `alarmed`: tasks with an open alarm. The same arguments give the same policy
    but for `issued_at`.
    """
    every = {**system.every_row, **rows}
    parts = {version.tier: _students(system, version, rows) for version in made}
    held_out = {version.tier: _held_out(system, version, rows) for version in made}
    learned = system.with_rows({**system.rows, **rows})
    frame = _surface_frame(every)
    students = {tier: load_students(its, system.encoders) for tier, its in parts.items()}
    found: dict[str, TaskPolicies] = {}
    calibration: dict[str, Recorded] = {}
    for task, its in rows.items():
        answered = learned.answered(students, task, its.calibrate.examples)
        trained_on = {row_hash(example) for example in its.train.examples}
        everywhere = np.ones(answered.quality.shape)
        calibration[task] = calibration_rows(its.calibrate, answered, everywhere, trained_on=trained_on).recorded
        found[task] = _fit(learned, frame, held_out, task, calibration[task])
        advance(len(found), len(rows))
    policy = _policy(learned, frame, parts, found)
    others = carried(system.policy, found, policy.proved_for(), alarmed)
    certified, proofs = _certified(learned, replace(policy, certificates=others), found, calibration, issued_at)
    _write(folder, system, certified, parts, held_out, every, _ladders(learned, rows, found))
    return proofs


def _ladders(
    system: TurnSystem, rows: Mapping[str, TaskRows], found: Mapping[str, TaskPolicies]
) -> dict[str, KeptLadder]:
    """What recalibration walks along again."""
    out = {task: ladder for task, ladder in kept_ladders(system.folder).items() if task not in found}
    for task, its in found.items():
        texts = {task: [e.query.text for e in rows[task].train.examples]}
        out |= rungs.keep(its.ladder, its.train, texts, seed=system.settings.seed)
    return out


def _students(system: TurnSystem, version: Distilled, taught: Collection[str]) -> dict[str, Parts]:
    new, before = artefacts.read(version.folder), artefacts.read(system.folder / TIERS / version.tier)
    return {task: part if task in taught else before[task] for task, part in new.items()}


def _held_out(system: TurnSystem, version: Distilled, taught: Collection[str]) -> dict[str, Mapping[str, Prediction]]:
    """What was said of tasks that learned nothing stays."""
    return {**system.held_out[version.tier], **{t: its for t, its in version.held_out.items() if t in taught}}


def _surface_frame(rows: Mapping[str, TaskRows]) -> SurfaceFrame:
    texts = [reading(e.query) for its in rows.values() for e in its.train.examples]
    return frame_surface(np.array([surface(text) for text in texts], dtype=np.float64).reshape(len(texts), SURFACE))


def _features(system: TurnSystem, frame: SurfaceFrame, queries: Sequence[Query]) -> Vectors:
    texts = [reading(query) for query in queries]
    return frame.beside(system.router_encoder.encode(texts), texts)


def _fit(system: TurnSystem, frame: SurfaceFrame, held_out: HeldOut, task: str, calibration: Recorded) -> TaskPolicies:
    given = system.settings.tasks[task]
    known, recorded = system.answered_held_out(held_out, task)
    train = rows_of(recorded, _features(system, frame, [e.query for e in known]), recorded.latency_s)
    calibrated = system.rows[task].calibrate.examples
    tested = rows_of(calibration, _features(system, frame, [e.query for e in calibrated]))
    target = Target("quality_ratio", given.eps, given.alpha, given.delta, given.handled_at)
    return fit_policies(train, tested, target, seed=system.settings.seed)


def _policy(
    system: TurnSystem,
    frame: SurfaceFrame,
    parts: Mapping[str, Mapping[str, Parts]],
    found: Mapping[str, TaskPolicies],
) -> Policy:
    top = system.portfolio.top
    routers: dict[str, Router | None] = {t: router_of(system.policy.router, t) for t in system.policy.tasks}
    rules: dict[str, StopRule | None] = {t: rule_of(system.policy.stop_rule, t) for t in system.policy.tasks}
    routers |= {t: p.router(system.router_encoder, frame) for t, p in found.items()}
    rules |= {t: _rule(system, t, p) for t, p in found.items()}
    router = RouterPerTask({t: r for t, r in routers.items() if r is not None}, top)
    rule = _with_commits(system, RulePerTask({t: r for t, r in rules.items() if r is not None}, top), found)
    students = {tier: {task: fingerprint(part) for task, part in its.items()} for tier, its in parts.items()}
    models = {**system.policy.models, **students}
    return Policy(system.portfolio, wiring.tasks(system.settings), router, system.policy.scorer, rule, models)


def _with_commits(system: TurnSystem, rule: StopRule, taught: Collection[str]) -> StopRule:
    """Streams of tasks that were not taught are released as before; a commit rule of another was not proved anew."""
    before = system.policy.stop_rule
    commits = before.commits if isinstance(before, Committing) else {}
    for task in commits.keys() - set(taught):
        rule = committed(rule, system.portfolio.names, task, commits[task])
    return rule


def _rule(system: TurnSystem, task: str, policies_of_task: TaskPolicies) -> ContinuationRule:
    """The boldest that its status lets serve; under `serve_when: empirical` what was seen twice."""
    weakest = Status(system.settings.tasks[task].serve_when)
    if weakest is Status.EMPIRICAL:
        return policies_of_task.seen_twice().rule
    return policies_of_task.rule(policies_of_task.proved(weakest))


def _certified(
    system: TurnSystem,
    policy: Policy,
    found: Mapping[str, TaskPolicies],
    calibration: Mapping[str, Recorded],
    issued_at: datetime,
) -> tuple[Policy, tuple[TaskProof, ...]]:
    """Certificates of what was taught, beside those that `policy` has; an EMPIRICAL one proves nothing."""
    certificates: dict[str, Certificate] = dict(policy.certificates)
    seen: dict[str, Seen] = {}
    for task, its in found.items():
        given = system.settings.tasks[task]
        if Status(given.serve_when) is Status.EMPIRICAL:
            queries = [e.query for e in system.rows[task].calibrate.examples]
            seen[task] = Seen(queries, calibration[task], given.eps)
        else:
            asymptotic = given.serve_when == "asymptotic" and its.asymptotic.selected > its.certified.selected
            verdict = its.asymptotic if asymptotic else its.certified
            # Without a certificate its next audits call for a calibration; one that proves nothing would stop that.
            if verdict.status is not Status.UNCERTIFIED:
                certificates[task] = issue(task, verdict, policy.proved_for(), issued_at)
    certified = with_seen(replace(policy, certificates=certificates), seen, issued_at)
    return certified, tuple(
        TaskProof(
            task,
            certified.status(task),
            calibration[task].n,
            "seen on calibration rows, nothing proved" if task in seen else found[task].certified.reason,
        )
        for task in found
    )


def _write(
    folder: Path,
    system: TurnSystem,
    policy: Policy,
    parts: Mapping[str, Mapping[str, Parts]],
    held_out: HeldOut,
    rows: Mapping[str, TaskRows],
    ladders: Mapping[str, KeptLadder],
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        policies.save(temporary / POLICY, policy)
        shutil.copytree(system.folder / ROUTER_ENCODER, temporary / ROUTER_ENCODER)
        for tier, its in parts.items():
            artefacts.write(temporary / TIERS / tier, its)
            write_held_out(temporary / HELD_OUT / tier, held_out[tier])
        artefacts.write(temporary / LADDER, {rungs.PART: rungs.as_part(ladders)})
        rows_book.write(temporary / ROWS, rows)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
