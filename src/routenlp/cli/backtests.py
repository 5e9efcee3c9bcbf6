"""`routenlp bench backtests`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from routenlp.bench.backtest import report
from routenlp.bench.backtest.measure import Row, measure
from routenlp.bench.backtest.recordings import SOURCES, Source, folder
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import SettingsError

REPEATS, QUICK_REPEATS, SEED = 20, 2, 0


def bench(
    environ: Mapping[str, str], json_target: str | None, *, quick: bool, only: Sequence[str], markdown: Path | None
) -> None:
    """All recordings, or those named. Ends with exit code 1 where a check misses its target."""
    began = time.perf_counter()
    where = folder(environ.get("ROUTENLP_DATA"))
    rows = _measure(_chosen(only), where, QUICK_REPEATS if quick else REPEATS)
    console = open_console(stderr=json_target == "-")
    found, checked = report.tables(rows), report.checks(rows, quick=quick)
    show_tables(console, found)
    show_lines(console, report.notes(rows), bullet="- ")
    show_lines(console, [check.line() for check in checked])
    if markdown is not None:
        lines = [*report.notes(rows), *(check.line() for check in checked)]
        put_between_markers(markdown, "backtests", as_page(found, lines))
    if json_target is not None:
        write_json(report.as_json(rows, quick=quick, seed=SEED, seconds=time.perf_counter() - began), json_target)
    if not all(check.holds for check in checked):
        raise typer.Exit(1)


def _chosen(only: Sequence[str]) -> list[Source]:
    known = {source.name: source for source in SOURCES}
    for name in only:
        if name not in known:
            raise SettingsError("--only", f"is {name!r}", f"Choose {', '.join(known)}")
    return [known[name] for name in only] if only else list(SOURCES)


def _measure(sources: Sequence[Source], where: Path, repeats: int) -> list[Row]:
    progress, rows = progress_on(sys.stderr), []
    for source in sources:
        with progress.stage(f"{source.name}, {repeats} splits"):
            rows.append(measure(source, where, repeats=repeats, seed=SEED))
    return rows
