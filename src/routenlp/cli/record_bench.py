"""`routenlp bench record` and `routenlp bench seqkd`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import typer

from routenlp import wiring
from routenlp.backends.local.weights import PACKAGED
from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.loop.world import middle
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.record import latency, manifest
from routenlp.bench.record.plan import PLANS, TASKS, TaskPlan
from routenlp.bench.record.report import tables as record_tables
from routenlp.bench.record.run import Recorded, Step, record_task
from routenlp.bench.record.steps import Desk
from routenlp.bench.record.vectors import FILE, write_vectors
from routenlp.bench.seqkd import distilled as distilled_tier
from routenlp.bench.seqkd import report
from routenlp.bench.seqkd.run import Job, run
from routenlp.bench.seqkd.scene import read_scene
from routenlp.bench.seqkd.size import SIZES
from routenlp.bench.six_tasks import workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings
from routenlp.errors import UnknownTask
from routenlp.replay.folds import Folds
from routenlp.settings import Settings
from routenlp.store.sealed import sha256_of
from routenlp.training.distil.language_model import need_torch
from routenlp.training.llama_folder import llama_folder


def record(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    only: Sequence[str],
    work: Path,
    into: Path,
    step: str,
    quick: bool,
    limit: int | None,
    timed: int,
    jobs: int,
    markdown: Path | None,
) -> None:
    """All steps, or one; what lies in `work` is not made again."""
    need_torch()
    settings, progress, begun_s = built_in_settings(settings_file, environ), progress_on(sys.stderr), time.monotonic()
    tasks = _tasks(only)
    desk = Desk(work, _base(settings, work), progress)
    source = _Rows(settings, environ)
    made: dict[str, Recorded] = {}
    distilled: dict[str, Mapping[str, object]] = {}
    for task in tasks:
        plan = PLANS[task].quick() if quick else PLANS[task]
        _vectors(settings, work / task, source, task, progress)
        at, chosen = settings.tasks[task].handled_at, Step(step)
        read = partial(source.folds, task)
        if chosen is not Step.DISTILLED:
            recorded = record_task(desk, plan, read, at, into, seed=settings.seed, step=chosen, limit=limit)
            made |= {task: recorded} if recorded is not None else {}
        # Of a few rows too few failures come for lessons to both halves.
        if chosen is Step.DISTILLED or (chosen is Step.ALL and limit is None):
            desk.rows(plan, read, seed=settings.seed)
            distilled |= {task: _distil(desk, plan, at, into, jobs)}
    if not made and not distilled:
        return
    speed = _time(settings, made, timed, progress) if timed and made else None
    base = sha256_of(desk.base / "model.safetensors")
    about = manifest.joined({task: recorded.about for task, recorded in made.items()}, distilled)
    written = manifest.write_manifest(into, about, base_sha256=base, timed=speed, seed=settings.seed)
    console, found = open_console(stderr=json_target == "-"), record_tables(written)
    show_tables(console, found)
    if markdown is not None:
        put_between_markers(markdown, "record", as_page(found, []))
    if json_target is not None:
        seconds = time.monotonic() - begun_s
        write_json(
            frame("record", seed=settings.seed, seconds=seconds, rows=[], checks=[], manifest=written), json_target
        )


def seqkd(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    only: Sequence[str],
    work: Path,
    recordings: Path,
    seeds: int,
    size: str,
    jobs: int,
    markdown: Path | None,
) -> None:
    """Ends with exit code 1 where targeted lessons beat random ones on no task."""
    need_torch()
    settings, progress, begun_s = built_in_settings(settings_file, environ), progress_on(sys.stderr), time.monotonic()
    manifest.check_recordings(recordings)
    desk, source, tasks = Desk(work, _base(settings, work), progress), _Rows(settings, environ), _tasks(only)
    for task in tasks:
        _vectors(settings, work / task, source, task, progress)
        desk.rows(PLANS[task], partial(source.folds, task), seed=settings.seed)
    todo = [
        Job(work, recordings, task, settings.tasks[task].handled_at, seed, SIZES[size], size)
        for task in tasks
        for seed in range(seeds)
    ]
    results = run(todo, at_once=jobs)
    found = [figure for task, result in results.items() for figure in report.figures(task, result)]
    console, lines, checked = (
        open_console(stderr=json_target == "-"),
        report.notes(results, SIZES[size]),
        report.checks(found),
    )
    show_tables(console, report.tables(found))
    show_lines(console, lines, bullet="- ")
    show_lines(console, [check_line(check) for check in checked])
    if markdown is not None:
        page = as_page(report.tables(found), [*lines, *(check_line(check) for check in checked)])
        put_between_markers(markdown, f"seqkd {size}", page)
    if json_target is not None:
        seconds = time.monotonic() - begun_s
        write_json(report.as_json(found, results, SIZES[size], seed=settings.seed, seconds=seconds), json_target)
    if checked and not any(all_hold([check]) for check in checked):
        raise typer.Exit(1)


def _distil(desk: Desk, plan: TaskPlan, handled_at: float, into: Path, jobs: int) -> Mapping[str, object]:
    """The tier that learns from what lies recorded in `into`; for the manifest."""
    scene, taught = read_scene(desk.work, into, plan.task, handled_at)
    parts = distilled_tier.parts(scene, taught, plan)
    answered = distilled_tier.answer_all(parts, desk.base, desk.work / plan.task, at_once=jobs)
    return distilled_tier.record(into / plan.task, scene, parts, answered)


def _time(settings: Settings, made: Mapping[str, Recorded], queries: int, progress: Progress) -> latency.Timed:
    """Of calibration rows, as many of each task."""
    each = -(-queries // len(made))
    rows = [(task, [row for row in of.rows if row.fold == "calibrate"][:each]) for task, of in made.items()]
    weights = wiring.gguf(settings, PACKAGED, lambda _: None)
    with progress.stage("timing the model on a processor") as advance:
        return latency.measure(weights, [(task, row) for task, some in rows for row in some], advance)


class _Rows:
    """Folds by task, read when they are first needed."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings, self._environ = settings, environ
        self._known: dict[str, Folds] = {}

    def folds(self, task: str) -> Folds:
        """Raises `DataError` where the supplied rows are not there: nothing is recorded of generated ones."""
        if task not in self._known:
            where = self._environ.get("ROUTENLP_DATA")
            self._known |= workload.load(self._settings, where, quick=False, only=[task]).folds
        return self._known[task]


def _tasks(only: Sequence[str]) -> tuple[str, ...]:
    for name in only:
        if name not in TASKS:
            raise UnknownTask("--task", f"{name!r} writes no texts", f"Use one of {', '.join(TASKS)}.")
    return tuple(task for task in TASKS if not only or task in only)


def _base(settings: Settings, work: Path) -> Path:
    folder = work / "base"
    if not folder.is_dir():
        llama_folder(wiring.gguf(settings, PACKAGED, lambda _: None), folder)
    return folder


def _vectors(settings: Settings, folder: Path, source: _Rows, task: str, progress: Progress) -> None:
    """Of the queries that lessons are chosen among, and of those that judge them."""
    if (folder / FILE).is_file():
        return
    with progress.stage(f"vectors of {task}"):
        encoder = wiring.minilm(settings, lambda _: None).with_pooling(rich=True)
        folds = source.folds(task)
        examples = [e for part in (folds.train, folds.gate, folds.test) for e in part.examples]
        vectors = middle(wiring.cached(encoder, settings).encode([e.query.text for e in examples]))
        write_vectors(folder, [e.query.id for e in examples], vectors)
