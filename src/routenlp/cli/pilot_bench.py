"""`routenlp bench pilot`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from routenlp.bench.frame import all_hold, check_line
from routenlp.bench.pilot import report
from routenlp.bench.pilot.models import with_models
from routenlp.bench.pilot.plot import draw
from routenlp.bench.pilot.run import QUICK_TASKS, Asked, plan_for, run, strangers
from routenlp.bench.pilot.traffic import MIX
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks import workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings, find_recordings, generation_settings
from routenlp.replay.backtest.threads import one_thread


def bench(
    settings_file: Path | None,
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    quick: bool,
    generated: bool,
    days: int | None,
    loop: bool,
    http: bool,
    keep: Path | None,
    recordings: Path | None,
    markdown: Path | None,
    plot: Path | None,
) -> None:
    """Eight weeks, or one with `quick`. Ends with exit code 1 where a check misses its target."""
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    where = environ.get("ROUTENLP_DATA")
    generated = generated or workload.find(settings, where) is None
    with progress.stage("reading the rows"):
        tasks = QUICK_TASKS if quick else tuple(MIX)
        only = () if generated else tuple(task for task in tasks if task in settings.tasks)
        rows = workload.load(settings, where, quick=quick, only=only, make_rows=generated)
    others = strangers(settings, where, generated=generated)
    own = settings_file is not None or generated
    recorded = None if own else find_recordings(recordings, list(rows.folds), progress)
    mixed = with_models(settings, generation_settings(), recorded, rows)
    plan = plan_for(mixed.settings, rows, quick=quick, loop=loop, days=days)
    with one_thread():
        world = run(Asked(mixed.settings, rows, others, plan, quick, http, mixed.models, keep), progress)
    console = open_console(stderr=json_target == "-")
    found, lines, checked = report.tables(world), report.notes(world), report.checks(world)
    show_tables(console, found)
    show_lines(console, lines, bullet="- ")
    show_lines(console, [check_line(check) for check in checked])
    if plot is not None:
        draw(world, plot)
    if markdown is not None:
        put_between_markers(markdown, "pilot", as_page(found, [*lines, *(check_line(check) for check in checked)]))
    if json_target is not None:
        write_json(report.as_json(world), json_target)
    if not all_hold(checked):
        raise typer.Exit(1)
