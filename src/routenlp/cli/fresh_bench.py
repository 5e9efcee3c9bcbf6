"""`routenlp bench fresh-domain`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from routenlp.bench.frame import all_hold, check_line
from routenlp.bench.fresh import report
from routenlp.bench.fresh.run import FRESH, QUICK_SEEDS, SEEDS, run
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
    markdown: Path | None,
) -> None:
    """Ends with exit code 1 where it is refuted."""
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    if not only and not generated:
        only = FRESH
    with progress.stage("reading the rows"):
        rows = workload.load(settings, environ.get("ROUTENLP_DATA"), quick=False, only=only, make_rows=generated)
    result = run(settings, rows, progress, seeds=seeds or (QUICK_SEEDS if quick else SEEDS))
    console = open_console(stderr=json_target == "-")
    found, lines, checked = report.tables(result), report.notes(result), report.checks(result)
    show_tables(console, found)
    show_lines(console, lines, bullet="- ")
    show_lines(console, [check_line(check) for check in checked])
    if markdown is not None:
        page = as_page(found, [*lines, *(check_line(check) for check in checked)])
        put_between_markers(markdown, "fresh-domain", page)
    if json_target is not None:
        write_json(report.as_json(result, settings, quick=quick), json_target)
    if not all_hold(checked):
        raise typer.Exit(1)
