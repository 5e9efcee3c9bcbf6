"""`routenlp bench six-tasks`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from rich.console import Console

from routenlp.bench.frame import check_line
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.six_tasks import main_table, report, workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.bench.six_tasks.run import Result, run
from routenlp.bench.six_tasks.workload import Workload
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.settings import Settings, load

QUICK_LIMITS = {"seconds": 240.0, "peak_rss_mb": 3072.0}
BENCH_LIMITS = {"seconds": 1800.0, "peak_rss_mb": 3072.0}


def built_in_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings file given, else those that the package brings."""
    text = resources.files("routenlp.bench.six_tasks").joinpath("settings.yaml").read_text(encoding="utf-8")
    return load(path, environ, default=text)


def bench(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    quick: bool,
    only: Sequence[str],
    generated: bool,
    markdown: Path | None,
) -> None:
    """All rows, or the fixed sample."""
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    result = _run(settings, environ, progress, quick=quick, only=only, generated=generated, rivals=True)
    console = open_console(stderr=json_target == "-")  # tables make room where standard output carries the JSON
    _show(console, result, settings)
    show_tables(console, [*report.task_tables(result), *report.operating_points(result), *report.rival_tables(result)])
    show_lines(console, main_table.notes(result.compared), bullet="- ")
    limits = QUICK_LIMITS if quick else BENCH_LIMITS
    checks = report.checks(result, limits)
    show_lines(console, [check_line(check) for check in checks])
    if markdown is not None:
        tables = [*report.main_tables(result), *report.operating_points(result), *report.task_tables(result)]
        lines = [*report.notes(result, settings), *main_table.notes(result.compared)]
        put_between_markers(markdown, "bench", as_page([*tables, *report.rival_tables(result)], lines))
    if json_target is not None:
        write_json(report.as_json(result, settings, bench="six-tasks", limits=limits), json_target)


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


def _run(
    settings: Settings,
    environ: Mapping[str, str],
    progress: Progress,
    *,
    quick: bool,
    generated: bool,
    only: Sequence[str] = (),
    rivals: bool = False,
) -> Result:
    rows = read_rows(settings, environ, progress, quick=quick, generated=generated, only=only)
    with tempfile.TemporaryDirectory(prefix="routenlp-") as scratch:
        return run(settings, rows, Path(scratch) / "system", progress, rivals=rivals)


def _show(console: Console, result: Result, settings: Settings) -> None:
    console.print()
    show_lines(console, [report.headline(result), ""])
    show_tables(console, report.main_tables(result))
    show_lines(console, report.notes(result, settings), bullet="- ")
    console.print()
