"""`routenlp bench router`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from routenlp import wiring
from routenlp.bench.backtest.recordings import SOURCES, folder
from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.router import report
from routenlp.bench.router.run import QUICK_SEEDS, SEEDS, Encoders, run, run_speed
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings
from routenlp.errors import SettingsError


def bench_speed(environ: Mapping[str, str], json_target: str | None) -> None:
    """Time and size alone. Ends with exit code 1 where a check misses its target."""
    progress = progress_on(sys.stderr)
    encoders = _encoders(environ, progress)
    begun_s = time.perf_counter()
    with progress.stage("timing decisions and training"):
        decisions, training = run_speed(folder(environ.get("ROUTENLP_DATA")), encoders)
    checked = report.speed_checks(decisions, training)
    console = open_console(stderr=json_target == "-")
    show_tables(console, [report.speed_table(decisions)])
    show_lines(console, [check_line(check) for check in checked], bullet="- ")
    if json_target is not None:
        rows = [asdict(decision) | {"encoder": name} for name, decision in decisions.items()]
        seconds = time.perf_counter() - begun_s
        write_json(frame("router-speed", seed=0, seconds=seconds, rows=rows, checks=checked), json_target)
    if not all_hold(checked):
        raise typer.Exit(1)


def bench(
    environ: Mapping[str, str], json_target: str | None, *, quick: bool, only: Sequence[str], markdown: Path | None
) -> None:
    """All recordings, or those named. Ends with exit code 1 where a check misses its target."""
    known = {source.name for source in SOURCES}
    for name in only:
        if name not in known:
            raise SettingsError("--only", f"is {name!r}", f"Choose {', '.join(sorted(known))}")
    where = folder(environ.get("ROUTENLP_DATA"))
    progress = progress_on(sys.stderr)
    encoders = _encoders(environ, progress)
    found = run(where, encoders, progress, seeds=QUICK_SEEDS if quick else SEEDS, only=only)
    console = open_console(stderr=json_target == "-")
    checked = report.checks(found)
    lines = [*report.notes(found), *(check_line(check) for check in checked)]
    show_tables(console, report.tables(found))
    show_lines(console, lines, bullet="- ")
    if markdown is not None:
        put_between_markers(markdown, "router", as_page(report.tables(found), lines))
    if json_target is not None:
        write_json(report.as_json(found), json_target)
    if not all_hold(checked):
        raise typer.Exit(1)


def _encoders(environ: Mapping[str, str], progress: Progress) -> Encoders:
    settings = built_in_settings(None, environ)
    with progress.stage("loading the encoder"):
        sentence = wiring.minilm(settings, lambda _: None)
    remembered, rich = (wiring.cached(sentence.with_pooling(rich=r), settings) for r in (False, True))
    return Encoders(sentence, remembered, rich)
