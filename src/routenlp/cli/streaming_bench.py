"""`routenlp bench streaming`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks import workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.bench.streaming import recordings
from routenlp.bench.streaming.measure import DRAWS
from routenlp.bench.streaming.report import as_json, tables, words
from routenlp.bench.streaming.run import Found, Source, checks, run_source, targets
from routenlp.bench.streaming.worlds import SPECS, world
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings, find_recordings

QUICK_DRAWS = 200
LABELS = 1_000
"""Of a calibration in a simulated world."""


def bench(
    environ: Mapping[str, str],
    json_target: str | None,
    *,
    folder: Path | None,
    simulated: bool,
    quick: bool,
    markdown: Path | None,
) -> None:
    """Every mode on what was recorded, or in simulated worlds. Exits 1 where a check misses."""
    begin, draws = time.perf_counter(), QUICK_DRAWS if quick else DRAWS
    progress = progress_on(sys.stderr)
    found: list[Found] = []
    said = None if simulated else find_recordings(folder, recordings.TASKS, progress)
    sources = [*_worlds()] if said is None else [*_recorded(environ, said)]
    notes = [] if sources or simulated else ["Nothing is recorded here: simulated worlds."]
    for source in sources or _worlds():
        with progress.stage(f"{source.name}: {draws} calibrations of each mode") as advance:
            found.append(run_source(source, draws=draws, advance=advance))
    seconds, checked = time.perf_counter() - begin, checks(found)
    console = open_console(stderr=json_target == "-")
    show_tables(console, tables(found))
    show_lines(console, [*notes, *words(found), *(check_line(c) for c in checked), f"Took {seconds:.0f} s."])
    if markdown is not None:
        name = "streaming-simulated" if found[0].simulated else "streaming-recorded"
        put_between_markers(markdown, name, as_page(tables(found), [*words(found), *(check_line(c) for c in checked)]))
    if json_target is not None:
        framed = frame("streaming", seed=0, seconds=seconds, rows=as_json(found), checks=checked, quick=quick)
        write_json(framed, json_target)
    if not all_hold(checked):
        raise typer.Exit(1)


def _worlds() -> Iterator[Source]:
    for spec in SPECS:
        train, pool = world(spec, seed=0)
        yield Source(spec.name, train, pool, LABELS, simulated=True, useful=spec.apart > 0.0)


def _recorded(environ: Mapping[str, str], said: Recordings) -> Iterator[Source]:
    settings, where = built_in_settings(None, environ), environ.get("ROUTENLP_DATA")
    if not said.tasks or workload.find(settings, where) is None:
        return
    rows = workload.load(settings, where, quick=False, only=said.tasks)
    for task in said.tasks:
        for speed, timed in recordings.at_speeds(said).items():
            streams = recordings.sources(timed, rows.folds[task], seed=settings.seed)
            for target, useful in targets(streams[0]):
                yield Source(f"{task}, {speed}", *streams, simulated=False, useful=useful, target=target)
