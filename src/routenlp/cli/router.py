"""`routenlp bench router`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from routenlp import wiring
from routenlp.bench.backtest.recordings import SOURCES, folder
from routenlp.bench.frame import check_line
from routenlp.bench.progress import progress_on
from routenlp.bench.router import report
from routenlp.bench.router.run import QUICK_SEEDS, SEEDS, Encoders, run
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings
from routenlp.errors import SettingsError


def bench(
    environ: Mapping[str, str], json_target: str | None, *, quick: bool, only: Sequence[str], markdown: Path | None
) -> None:
    """All recordings, or those named. Ends with exit code 1 where a check misses its target."""
    known = {source.name for source in SOURCES}
    for name in only:
        if name not in known:
            raise SettingsError("--only", f"is {name!r}", f"Choose {', '.join(sorted(known))}")
    where = folder(environ.get("ROUTENLP_DATA"))
    settings = built_in_settings(None, environ)
    progress = progress_on(sys.stderr)
    with progress.stage("loading the encoder"):
        sentence = wiring.minilm(settings, lambda _: None)
    remembered, rich = (wiring.cached(sentence.with_pooling(rich=r), settings) for r in (False, True))
    found = run(where, Encoders(sentence, remembered, rich), progress, seeds=QUICK_SEEDS if quick else SEEDS, only=only)
    console = open_console(stderr=json_target == "-")
    checked = report.checks(found)
    lines = [*report.notes(found), *(check_line(check) for check in checked)]
    show_tables(console, report.tables(found))
    show_lines(console, lines, bullet="- ")
    if markdown is not None:
        put_between_markers(markdown, "router", as_page(report.tables(found), lines))
    if json_target is not None:
        write_json(report.as_json(found), json_target)
    if not all(check["holds"] for check in checked):
        raise typer.Exit(1)
