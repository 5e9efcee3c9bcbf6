"""`routenlp bench calibration-size`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import typer

from routenlp.bench.calibration_size import report, words
from routenlp.bench.calibration_size.answers import answer
from routenlp.bench.calibration_size.run import TASKS, measure
from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings

MARKER = "calibration-size"


def run(settings_file: Path | None, environ: Mapping[str, str], json_target: str | None, markdown: Path | None) -> None:
    """Fit the students, calibrate many times, and show every rate beside the published one.

    Ends with exit code 1 where a check misses its target.
    """
    begin = time.perf_counter()
    settings = built_in_settings(settings_file, environ)
    progress = progress_on(sys.stderr)
    answers = answer(settings, TASKS, environ.get("ROUTENLP_DATA"), progress)
    result = measure(answers, progress, seed=settings.seed)
    seconds = time.perf_counter() - begin
    tables, paragraph = report.tables(result), words.which_rate_it_was(result)
    notes, checks = words.notes(result, seconds=seconds), report.checks(result, seconds=seconds)
    console = open_console(stderr=json_target == "-")
    show_tables(console, tables)
    show_lines(console, [paragraph.replace("**", ""), ""])
    show_lines(console, notes, bullet="- ")
    show_lines(console, [check_line(check) for check in checks])
    if markdown is not None:
        first, *others = tables
        put_between_markers(markdown, MARKER, f"{first.markdown()}\n\n{paragraph}\n\n{as_page(others, notes)}")
    if json_target is not None:
        written = frame(
            MARKER,
            seed=settings.seed,
            seconds=seconds,
            rows=report.rows(result),
            checks=checks,
            published=paragraph,
            notes=notes,
        )
        write_json(written, json_target)
    if not all_hold(checks):
        raise typer.Exit(1)
