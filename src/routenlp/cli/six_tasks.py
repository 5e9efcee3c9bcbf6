"""`routenlp bench six-tasks`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from routenlp import wiring
from routenlp.bench.datasets import recordings as recordings_of
from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.frame import check_line
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.record.asked import DISTILLED, SMOLLM2, TUNED
from routenlp.bench.six_tasks import gradings, together, workload
from routenlp.bench.six_tasks.generation_targets import sweep
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.bench.six_tasks.parts import BEFORE, GENERATION, Part, divide, whole
from routenlp.bench.six_tasks.prepare import Fitted
from routenlp.bench.six_tasks.run import run
from routenlp.bench.six_tasks.together import Done
from routenlp.bench.six_tasks.workload import Workload
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.replay.backtest.threads import one_thread
from routenlp.settings import Settings, load

QUICK_LIMITS = {"seconds": 240.0, "peak_rss_mb": 3072.0}
BENCH_LIMITS = {"seconds": 1800.0, "peak_rss_mb": 3072.0}
RECORDED = (SMOLLM2, DISTILLED, TUNED)
"""Tiers that `routenlp bench record` left."""


def built_in_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings file given, else those that the package brings."""
    text = resources.files("routenlp.bench.six_tasks").joinpath("settings.yaml").read_text(encoding="utf-8")
    return load(path, environ, default=text)


def generation_settings() -> Settings:
    """Those of the portfolio that language models were recorded for."""
    text = resources.files("routenlp.bench.six_tasks").joinpath("generation.yaml").read_text(encoding="utf-8")
    return load(None, {}, default=text)


def bench(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    quick: bool,
    only: Sequence[str],
    generated: bool,
    recordings: Path | None,
    markdown: Path | None,
    readme: Path | None,
) -> None:
    """All rows, or the fixed sample. Settings of one's own name one portfolio, and no recording is looked at."""
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    rows = read_rows(settings, environ, progress, quick=quick, generated=generated, only=only)
    own = settings_file is not None or generated
    parts = (whole(settings, rows),) if own else _parts(settings, rows, recordings, progress)
    done: list[Done] = []
    for part in parts:
        done.append(_run(part, progress, _shared_students(part, done)))
    console = open_console(stderr=json_target == "-")  # tables make room where standard output carries the JSON
    limits = QUICK_LIMITS if quick else BENCH_LIMITS
    console.print()
    show_lines(console, [*together.headlines(done), ""])
    show_tables(console, together.tables(done))
    show_lines(console, together.notes(done), bullet="- ")
    show_lines(console, ["", *map(check_line, together.checks(done, limits))])
    if markdown is not None:
        put_between_markers(markdown, "bench", as_page(together.tables(done), together.notes(done)))
    if readme is not None:
        put_between_markers(readme, "six-tasks", together.tables(done)[0].markdown())
    if json_target is not None:
        write_json(together.as_json(done, bench="six-tasks", limits=limits), json_target)


def find_recordings(given: Path | None, tasks: Sequence[str], progress: Progress) -> Recordings | None:
    """What language models said of the tasks; None where nothing was recorded."""
    folder = recordings_of.locate(given, (Path.cwd(), Path(__file__).parents[3]))
    if folder is None:
        return None
    with progress.stage(f"reading {folder}"):
        return recordings_of.load(folder, RECORDED, tasks)


def _parts(settings: Settings, rows: Workload, recordings: Path | None, progress: Progress) -> tuple[Part, ...]:
    generation = generation_settings()
    found = find_recordings(recordings, list(generation.tasks), progress)
    return divide(settings, generation, rows, found)


def _shared_students(part: Part, done: Sequence[Done]) -> Fitted | None:
    """Of the same tasks before the turn, which teaches no student."""
    before = [d.result.prepared.fitted for d in done if d.part.name == BEFORE and part.name == GENERATION]
    return before[0] if before else None


def _run(part: Part, progress: Progress, fitted: Fitted | None) -> Done:
    with tempfile.TemporaryDirectory(prefix="routenlp-") as scratch, one_thread():
        result = run(
            part.settings,
            part.workload,
            Path(scratch) / "system",
            progress,
            rivals=part.name != BEFORE,
            replayed=part.replayed,
            fitted=fitted,
        )
    if part.name not in (BEFORE, GENERATION):
        return Done(part, result, {}, {})
    seed = part.settings.seed
    with progress.stage("grading the generations"):
        encoder = wiring.cached(wiring.minilm(part.settings, lambda _: None), part.settings)
        graded = gradings.grade(result, encoder, seed=seed)
    with progress.stage("asking what can be certified"):
        swept = {task: sweep(result, task, seed=seed) for task in result.tasks}
    return Done(part, result, graded, swept)


def read_rows(
    settings: Settings,
    environ: Mapping[str, str],
    progress: Progress,
    *,
    quick: bool,
    generated: bool,
    only: Sequence[str] = (),
) -> Workload:
    """The supplied rows where there are some, else generated ones."""
    where = environ.get("ROUTENLP_DATA")
    found = None if generated else workload.find(settings, where)
    with progress.stage("making queries" if found is None else f"reading {found.six_tasks}, by {found.found_by}"):
        return workload.load(settings, where, quick=quick, only=only, make_rows=generated)
