"""`routenlp bench loop`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from routenlp.bench.frame import all_hold, check_line
from routenlp.bench.loop import report
from routenlp.bench.loop.plot import draw
from routenlp.bench.loop.run import QUICK_SEEDS, QUICK_TASKS, run
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks import workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings


def bench(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    quick: bool,
    only: Sequence[str],
    seeds: int | None,
    generated: bool,
    keep: Path | None,
    limit_s: float,
    jobs: int | None,
    markdown: Path | None,
    plot: Path | None,
) -> None:
    """All tasks and seeds, or two tasks and one. Ends with exit code 1 where a check misses its target."""
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    if quick and not only and not generated:
        only = QUICK_TASKS
    with progress.stage("reading the rows"):
        rows = workload.load(settings, environ.get("ROUTENLP_DATA"), quick=False, only=only, make_rows=generated)
    repeats = seeds or (QUICK_SEEDS if quick else None)
    result = run(settings, rows, progress, seeds=repeats, yardstick=not quick, keep=keep, limit_s=limit_s, jobs=jobs)
    console = open_console(stderr=json_target == "-")
    found, lines, checked = report.tables(result), report.notes(result), report.checks(result, quick=quick)
    show_tables(console, found)
    show_lines(console, lines, bullet="- ")
    show_lines(console, [check_line(check) for check in checked])
    if plot is not None:
        draw(report.promised(result), plot)
    if markdown is not None:
        page = as_page(found, [*lines, *(check_line(check) for check in checked)])
        put_between_markers(markdown, "loop", page)
    if json_target is not None:
        write_json(report.as_json(result, settings, quick=quick), json_target)
    if not all_hold(checked):
        raise typer.Exit(1)
