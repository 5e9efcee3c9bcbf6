"""`routenlp bench off-policy`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict

from routenlp.bench.backtest.recordings import folder
from routenlp.bench.frame import check_line, frame
from routenlp.bench.off_policy import recorded
from routenlp.bench.off_policy.run import LOGS, as_lines, checks
from routenlp.bench.off_policy.run import run as simulate
from routenlp.bench.progress import progress_on
from routenlp.cli.screen import open_console, show_lines, write_json
from routenlp.errors import MissingData

QUICK_LOGS = 100


def run(environ: Mapping[str, str], json_target: str | None, *, quick: bool) -> None:
    """Count how often off-policy intervals hold a truth that is known. Exits 1 where they do so too seldom."""
    begin = time.perf_counter()
    logs = QUICK_LOGS if quick else LOGS
    with progress_on(sys.stderr).stage(f"evaluating {logs:,} logs a cell") as advance:
        found = simulate(logs=logs, advance=advance)
    try:
        replayed = recorded.run(folder(environ.get("ROUTENLP_DATA")), logs=QUICK_LOGS if quick else recorded.LOGS)
        told = recorded.as_lines(replayed)
    except MissingData as exc:
        replayed, told = (), (f"Recorded outcomes are left out: {exc}",)
    seconds = time.perf_counter() - begin
    checked = checks(found)
    console = open_console(stderr=json_target == "-")
    show_lines(console, [*as_lines(found), "", *told, "", *(check_line(c) for c in checked), f"Took {seconds:.0f} s."])
    if json_target is not None:
        rows = [asdict(one) | {"share": one.share} for one in found]
        on_data = [asdict(one) for one in replayed]
        write_json(
            frame("off-policy", seed=0, seconds=seconds, rows=rows, checks=checked, recorded=on_data, quick=quick),
            json_target,
        )
    if not all(c["holds"] for c in checked):
        sys.exit(1)
