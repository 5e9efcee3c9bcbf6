"""`routenlp bench promotion`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from routenlp import wiring
from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.progress import Progress, progress_on
from routenlp.bench.promotion.run import TRIALS, Row, checks, simulate, try_students
from routenlp.bench.promotion.students import make_task
from routenlp.bench.promotion.trial import End
from routenlp.bench.six_tasks import workload
from routenlp.bench.six_tasks.markdown import as_page, put_between_markers
from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.six_tasks import built_in_settings

QUICK_TRIALS = 5
TASK = "cs_intent"


def bench(environ: Mapping[str, str], json_target: str | None, *, quick: bool, markdown: Path | None) -> None:
    """Simulated worlds, then real students where the data is. Exits 1 where a check misses."""
    begin, trials = time.perf_counter(), QUICK_TRIALS if quick else TRIALS
    progress = progress_on(sys.stderr)
    with progress.stage(f"{trials} trials of every simulated candidate") as advance:
        rows = simulate(trials, advance)
    real = _students(environ, trials, progress)
    rows += real
    seconds, checked = time.perf_counter() - begin, checks(rows)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(rows, real), ""])
    show_tables(console, [table(rows)])
    show_lines(console, [check_line(c) for c in checked])
    if markdown is not None:
        put_between_markers(markdown, "promotion", as_page([table(rows)], [check_line(c) for c in checked]))
    if json_target is not None:
        figures = [{**asdict(row), "promoted": row.promoted} for row in rows]
        write_json(frame("promotion", seed=0, seconds=seconds, rows=figures, checks=checked, quick=quick), json_target)
    if not all_hold(checked):
        sys.exit(1)


def words(rows: Sequence[Row], real: Sequence[Row]) -> list[str]:
    """What was found."""
    told = [f"{rows[0].trials} trials of each candidate, through gate, shadow and canary."]
    if not real:
        told.append(f"No rows of {TASK} lie here, so no real student was tried: `routenlp data get banking77`.")
    return told


def table(rows: Sequence[Row]) -> Table:
    """One row a candidate and setting."""
    heads = (
        "traffic",
        "candidate",
        "gate rows",
        "harmed",
        "lost",
        "gain",
        "gate",
        "shadow",
        "canary",
        "promoted",
        "audits",
    )
    return Table("What became of candidates", heads, tuple(map(_cells, rows)))


def _cells(row: Row) -> tuple[str, ...]:
    ends = (str(row.ends.get(str(end), 0)) for end in (End.GATE, End.SHADOW, End.CANARY, End.PROMOTED))
    return (
        row.world,
        row.candidate,
        f"{row.gate_rows:,}",
        "–" if row.harmed_share is None else f"{row.harmed_share:.0%}",
        f"{row.lost:+.3f}",
        f"{row.gain:+.3f}",
        *ends,
        "–" if row.audits is None else f"{row.audits:,}",
    )


def _students(environ: Mapping[str, str], trials: int, progress: Progress) -> list[Row]:
    settings, where = built_in_settings(None, environ), environ.get("ROUTENLP_DATA")
    if workload.find(settings, where) is None:
        return []
    folds = workload.load(settings, where, quick=False, only=[TASK]).folds[TASK]
    with progress.stage(f"encoding {TASK}"):
        encoder = wiring.cached(wiring.minilm(settings, lambda _: None).with_pooling(rich=True), settings)
        task = make_task(folds, encoder, seed=settings.seed)
    with progress.stage(f"{trials} trials of every student of {TASK}") as advance:
        return try_students(task, trials, advance)
