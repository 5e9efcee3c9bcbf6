"""`routenlp bench store`."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.progress import progress_on
from routenlp.bench.store.run import PACED_PER_S, Turn, checks, median, run
from routenlp.cli.screen import open_console, show_lines, write_json

ROWS, TURNS = 20_000, 7
QUICK_ROWS, QUICK_TURNS = 5_000, 3


def bench(folder: Path | None, json_target: str | None, *, quick: bool) -> None:
    """Measure on the disk that holds `folder`, or on that of temporary files. Exits 1 where a check misses."""
    rows, turns = (QUICK_ROWS, QUICK_TURNS) if quick else (ROWS, TURNS)
    begin = time.perf_counter()
    with (
        progress_on(sys.stderr).stage(f"writing {rows:,} rows, {turns} times, each way") as advance,
        tempfile.TemporaryDirectory(dir=folder) as under,
    ):
        found = run(Path(under), rows=rows, turns=turns, advance=advance)
    seconds, checked = time.perf_counter() - begin, checks(found)
    console = open_console(stderr=json_target == "-")
    show_lines(console, [*words(found, rows), *map(check_line, checked)])
    if json_target is not None:
        frames = frame("store", seed=0, seconds=seconds, rows=[asdict(t) for t in found], checks=checked, quick=quick)
        write_json(frames, json_target)
    if not all_hold(checked):
        sys.exit(1)


def words(found: list[Turn], rows: int) -> list[str]:
    """Medians over the turns."""
    ours, bare = median(found, lambda t: t.rows_per_s), median(found, lambda t: t.bare_rows_per_s)
    ratio = median(found, lambda t: t.rows_per_s / t.bare_rows_per_s)
    reserve, settle = median(found, lambda t: t.reserve_us), median(found, lambda t: t.settle_us)
    return [
        f"{rows:,} traces in one go: {ours:,.0f} durable rows a second; bare SQLite {bare:,.0f}; ratio {ratio:.2f}.",
        f"In the request's own thread: reserve {reserve:.1f}, settle {settle:.1f}, "
        f"put {median(found, lambda t: t.put_us):.1f} us of processor time.",
        f"One of {PACED_PER_S:,.0f} requests a second, the writer's thread and its commits included: "
        f"{median(found, lambda t: t.paced_cpu_us):.0f} us.",
    ]
