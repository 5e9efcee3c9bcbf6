"""`routenlp bench guarantees`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import typer

from routenlp.bench.frame import all_hold, at_most, check_line, frame
from routenlp.bench.guarantees.run import Kept, Power, as_json, as_lines
from routenlp.bench.guarantees.run import run as simulate
from routenlp.bench.progress import progress_on
from routenlp.cli.screen import open_console, show_lines, write_json

POWER_FROM = 500
"""Calibration rows from which the promises of little waste begin."""


def run(json_target: str | None, *, every: bool) -> None:
    """Count broken promises in worlds whose truth is known, and what kept ones cost.

    Ends with exit code 1 where a check misses its target.
    """
    begin = time.perf_counter()
    cells = "every cell" if every else "cells that meet every pair of properties"
    with progress_on(sys.stderr).stage(f"calibrating in {cells}") as advance:
        kept, powers = simulate(every=every, advance=advance)
    seconds = time.perf_counter() - begin
    found = checks(kept, powers)
    console = open_console(stderr=json_target == "-")
    show_lines(console, [*as_lines(kept, powers), "", *(check_line(c) for c in found), f"Took {seconds:.0f} s."])
    if json_target is not None:
        figures = as_json(kept, powers)
        rows = [asdict(one) | {"holds": one.holds} for one in kept]
        more = {key: value for key, value in figures.items() if key != "cells"}
        framed = frame("guarantees", seed=0, seconds=seconds, rows=rows, checks=found, every=every)
        write_json(framed | more, json_target)
    if not all_hold(found):
        raise typer.Exit(1)


def checks(kept: Sequence[Kept], powers: Sequence[Power]) -> list[dict[str, object]]:
    """That no promise is broken, and that power is not thrown away: one cheap tier at 0.1, AUROC 0.8, as designed."""
    out = [at_most("broken promises", float(sum(not one.holds for one in kept)), 0.0)]
    for one in powers:
        if one.rule == "joint" and one.n == POWER_FROM:
            out.append(at_most("joint, n = 500: share escalated", one.escalated, 0.50))
        if one.rule == "quality_ratio" and one.n == POWER_FROM:
            out.append(at_most("quality_ratio, n = 500: bill", one.bill, 0.46))
            out.append(at_most("quality_ratio, n = 500: calibrations that end at always-top", one.always_top, 0.02))
        if one.rule == "quality_ratio" and one.n >= POWER_FROM:
            out.append(
                at_most(f"quality_ratio, n = {one.n}: bill over an oracle z-test's", one.bill / one.oracle_bill, 1.15)
            )
    return out
