"""From folds to a trained, calibrated system on disk: everything that happens before the first test row is read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from routenlp import wiring
from routenlp.backends.encoders.static import StaticEncoder
from routenlp.backends.student import registry
from routenlp.backends.student.backend import StudentBackend
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks.replayed import Replayed, labels_on_top
from routenlp.bench.six_tasks.systems import Calibrated, Frame, served, thresholds
from routenlp.bench.six_tasks.workload import Workload
from routenlp.cascade.policy import fingerprint
from routenlp.contracts import Encoder, Student, TokenEncoder
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Tier
from routenlp.replay import rungs
from routenlp.replay.answered import rows_of
from routenlp.replay.backtest.certify import Target
from routenlp.replay.calibrate import CalibrationRows, calibration_rows
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded, record
from routenlp.replay.rungs import KeptLadder
from routenlp.replay.seen import Seen, with_seen
from routenlp.replay.task_policies import TaskPolicies, fit_policies
from routenlp.router.reading import SURFACE, SurfaceFrame, frame_surface, reading, surface
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.settings import Settings
from routenlp.store import artefacts, policies, rows_book
from routenlp.store.rows_book import TaskRows
from routenlp.training import students
from routenlp.training.distil.students import write_held_out
from routenlp.training.static_encoder import distil
from routenlp.types import Answer, CalibrationFold, Example, Prediction, Query, Vectors


@dataclass(frozen=True, slots=True)
class Fitted:
    """Students by tier and task, and what they say of training rows that they were not fitted on."""

    students: Mapping[str, Mapping[str, Student]]
    held_out: Mapping[str, Mapping[str, Mapping[str, Prediction]]]
    """By tier, task and query id."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A calibrated system, stored in `folder`."""

    folder: Path
    frame: Frame
    calibrated: Calibrated
    calibration: Mapping[str, CalibrationRows]
    """What every tier says of the calibration rows."""
    training: Mapping[str, tuple[Sequence[Example], Recorded]]
    """What it says of training rows that it had not learned from, with these rows."""
    fitted: Fitted


def prepare(
    settings: Settings,
    workload: Workload,
    encoder: TokenEncoder,
    rich: Encoder,
    folder: Path,
    progress: Progress,
    replayed: Mapping[str, Replayed] | None = None,
    fitted: Fitted | None = None,
) -> Prepared:
    """Train every tier and the router, calibrate, and store the system under `folder`, which must not exist.

    `encoder` and `rich`: the sentence encoder and its longer vectors, best with a memory. `replayed`: the tiers that
    are no students, by name; None: the top tier alone, which replays the human labels. `fitted`: students of the very
    training rows and settings, where they are at hand.
    """
    replayed = labels_on_top(settings, workload) if replayed is None else replayed
    fitted = fitted or _fit_students(settings, workload, encoder, rich, progress)
    stored: dict[str, dict[str, Student]] = {}
    models: dict[str, dict[str, str]] = {}
    for tier, by_task in fitted.students.items():
        at = folder / wiring.TIERS / tier
        artefacts.write(at, {task: student.parts() for task, student in by_task.items()})
        read = artefacts.read(at)
        stored[tier] = {task: registry.load(parts, [encoder, rich]) for task, parts in read.items()}
        models[tier] = {task: fingerprint(parts) for task, parts in read.items()}
    _keep_rows(workload, fitted, folder)
    fast = _fit_router_encoder(workload, encoder, progress)
    artefacts.write(folder / wiring.ROUTER_ENCODER, {"static": fast.parts()})
    frame = Frame(
        wiring.portfolio(settings),
        {name: task for name, task in wiring.tasks(settings).items() if name in workload.folds},
        fast,
        _fit_surface(workload),
        TokenUncertainty(),
        models,
        settings.seed,
    )
    answered = _calibration(settings, workload, stored, replayed, frame, progress)
    training = {name: _training_rows(settings, workload, fitted, replayed, frame, name) for name in workload.folds}
    calibrated = _calibrate(settings, workload, training, answered, frame, progress)
    seen = {task: _seen(settings, workload, row.recorded) for task, row in answered.items()}
    artefacts.write(folder / wiring.LADDER, {rungs.PART: rungs.as_part(_ladders(settings, workload, calibrated))})
    policies.save(folder / wiring.POLICY, with_seen(served(frame, calibrated), seen, datetime.now(UTC)))
    return Prepared(folder, frame, calibrated, answered, training, fitted)


def _ladders(settings: Settings, workload: Workload, calibrated: Calibrated) -> dict[str, KeptLadder]:
    """What recalibration walks along again."""
    out: dict[str, KeptLadder] = {}
    for task, its in calibrated.policies.items():
        texts = {task: [e.query.text for e in workload.folds[task].train.examples]}
        out |= rungs.keep(its.ladder, its.train, texts, seed=settings.seed)
    return out


def _seen(settings: Settings, workload: Workload, calibration: Recorded) -> Seen:
    queries = [e.query for e in workload.folds[calibration.task].calibrate.examples]
    return Seen(queries, calibration, settings.tasks[calibration.task].eps)


def _fit_students(
    settings: Settings, workload: Workload, encoder: TokenEncoder, rich: Encoder, progress: Progress
) -> Fitted:
    every = {tier.name: tier.model for tier in settings.portfolio if tier.backend == "student"}
    made: dict[str, dict[str, Student]] = {tier: {} for tier in every}
    held_out: dict[str, dict[str, Mapping[str, Prediction]]] = {tier: {} for tier in every}
    for name, folds in workload.folds.items():
        task, allowed = settings.tasks[name], settings.tiers_of(name)
        models = {tier: model for tier, model in every.items() if tier in allowed}
        with progress.stage(f"training the students of {name}"):
            job = students.Job(folds.train, encoder, rich, task.handled_at, settings.seed)
            fits = students.fit(task.student, list(models.values()), job)
        for tier, model in models.items():
            made[tier][name], held_out[tier][name] = fits[str(model)].student, fits[str(model)].held_out
    return Fitted(made, held_out)


def _keep_rows(workload: Workload, fitted: Fitted, folder: Path) -> None:
    """What a turn of the loop begins with."""
    folds = {task: TaskRows(its.train, its.calibrate, its.gate) for task, its in workload.folds.items()}
    rows_book.write(folder / wiring.ROWS, folds)
    for tier, held_out in fitted.held_out.items():
        write_held_out(folder / wiring.HELD_OUT / tier, held_out)


def _fit_router_encoder(workload: Workload, encoder: TokenEncoder, progress: Progress) -> StaticEncoder:
    texts = [e.query.text for folds in workload.folds.values() for e in folds.train.examples]
    with progress.stage("distilling the router's fast encoder") as advance:
        return distil(encoder, texts, progress=advance)


def _fit_surface(workload: Workload) -> SurfaceFrame:
    texts = [reading(e.query) for folds in workload.folds.values() for e in folds.train.examples]
    return frame_surface(np.array([surface(text) for text in texts], dtype=np.float64).reshape(len(texts), SURFACE))


def features(frame: Frame, queries: Sequence[Query]) -> Vectors:
    """What the router reads of each query, shape (n, d)."""
    texts = [reading(query) for query in queries]
    return frame.surface.beside(frame.encoder.encode(texts), texts)


def _calibration(
    settings: Settings,
    workload: Workload,
    stored: Mapping[str, Mapping[str, Student]],
    replayed: Mapping[str, Replayed],
    frame: Frame,
    progress: Progress,
) -> dict[str, CalibrationRows]:
    """What the students say as they were read back from the store: what is calibrated is what will serve."""
    out: dict[str, CalibrationRows] = {}
    with progress.stage("answering the calibration rows") as advance:
        for done, (name, folds) in enumerate(workload.folds.items(), 1):
            recorded = _answer_fold(settings, folds.calibrate, stored, replayed, frame)
            trained_on = {row_hash(example) for example in folds.train.examples}
            everywhere = np.ones(recorded.quality.shape)
            out[name] = calibration_rows(folds.calibrate, recorded, everywhere, trained_on=trained_on)
            advance(done, len(workload.folds))
    return out


def _calibrate(
    settings: Settings,
    workload: Workload,
    training: Mapping[str, tuple[Sequence[Example], Recorded]],
    answered: Mapping[str, CalibrationRows],
    frame: Frame,
    progress: Progress,
) -> Calibrated:
    """Every task's policies, fitted on what students say of rows they had not seen, and proved on `answered`."""
    found: dict[str, TaskPolicies] = {}
    with progress.stage("fitting and proving the policies") as advance:
        for name, calibration in answered.items():
            folds, task = workload.folds[name], settings.tasks[name]
            known, recorded = training[name]
            # A student's held-out predictions took no time of their own: limits count what other tiers take.
            train = rows_of(recorded, features(frame, [e.query for e in known]), recorded.latency_s)
            tested = rows_of(calibration.recorded, features(frame, [e.query for e in folds.calibrate.examples]))
            target = Target("quality_ratio", task.eps, task.alpha, task.delta, task.handled_at)
            found[name] = fit_policies(train, tested, target, seed=settings.seed)
            advance(len(found), len(answered))
        targets = {task: 1.0 - settings.tasks[task].eps for task in answered}
        swept, published = thresholds(answered, targets, {task: settings.tasks[task].alpha for task in answered})
    return Calibrated(found, {task: p.tuned() for task, p in found.items()}, swept, published)


def _training_rows(
    settings: Settings,
    workload: Workload,
    fitted: Fitted,
    replayed: Mapping[str, Replayed],
    frame: Frame,
    name: str,
) -> tuple[Sequence[Example], Recorded]:
    """Training rows that every tier of the task answered without having learned from them, and what they said."""
    task, examples = settings.tasks[name], workload.folds[name].train.examples
    tiers = frame.portfolio.among(settings.tiers_of(name))
    held_out = {tier.name: fitted.held_out[tier.name][name] for tier in tiers if tier.backend == "student"}
    others = [replayed[tier.name] for tier in tiers if tier.name not in held_out]
    known = [
        e
        for e in examples
        if all(e.query.id in column for column in held_out.values()) and all(tier.has(e.query) for tier in others)
    ]
    answers = [_held_out_answers(tiers, held_out, replayed, e.query) for e in known]
    return known, record(name, task.handled_at, known, answers, metric(task.metric).quality, frame.scorer)


def _held_out_answers(
    tiers: Sequence[Tier],
    held_out: Mapping[str, Mapping[str, Prediction]],
    replayed: Mapping[str, Replayed],
    query: Query,
) -> tuple[Answer, ...]:
    """What each tier answers to a training row, students by models that had not seen it."""
    return tuple(
        StudentBackend(tier, {}, time.perf_counter).priced(query, held_out[tier.name][query.id], 0.0)
        if tier.name in held_out
        else replayed[tier.name].answer(query)
        for tier in tiers
    )


def _answer_fold(
    settings: Settings,
    fold: CalibrationFold,
    stored: Mapping[str, Mapping[str, Student]],
    replayed: Mapping[str, Replayed],
    frame: Frame,
) -> Recorded:
    queries = [e.query for e in fold.examples]
    columns: list[list[Answer]] = []
    for tier in frame.portfolio.among(settings.tiers_of(fold.task)):
        if tier.backend == "student":
            backend = StudentBackend(tier, stored[tier.name], time.perf_counter)
            columns.append(backend.answer_all(fold.task, queries))
        else:
            columns.append([replayed[tier.name].answer(query) for query in queries])
    task = settings.tasks[fold.task]
    answers = list(zip(*columns, strict=True))
    return record(fold.task, task.handled_at, fold.examples, answers, metric(task.metric).quality, frame.scorer)
