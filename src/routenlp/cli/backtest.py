"""`routenlp backtest OUTCOMES`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.backtest.plot import draw
from routenlp.bench.backtest.tables import all_tables
from routenlp.bench.progress import progress_on
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import SettingsError
from routenlp.replay.backtest.certify import Rule
from routenlp.replay.backtest.run import backtest
from routenlp.replay.backtest.words import headline


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    tiers: Sequence[str] | None
    eps: float
    alpha: float
    delta: float
    guarantee: Rule
    repeats: int
    seed: int
    handled_at: float | None
    costs: Mapping[str, float]
    prices: Path | None
    task_column: str | None
    split_column: str | None
    calibrate_most: int | None


def run(outcomes: Path, options: Options, json_target: str | None, plots: Path | None) -> None:
    """Plain words, tables, then the picture."""
    with progress_on(sys.stderr).stage(f"backtest of {outcomes.name}") as advance:
        found = backtest(
            outcomes,
            tiers=options.tiers,
            eps=options.eps,
            alpha=options.alpha,
            delta=options.delta,
            guarantee=options.guarantee,
            repeats=options.repeats,
            seed=options.seed,
            handled_at=options.handled_at,
            costs=options.costs or None,
            prices=options.prices,
            task_column=options.task_column,
            split_column=options.split_column,
            calibrate_most=options.calibrate_most,
            progress=advance,
        )
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *headline(found), ""])
    show_tables(console, all_tables(found))
    show_lines(console, found.recording.notes, bullet="- ")
    if plots is not None:
        show_lines(console, [f"Picture: {path}" for path in draw(found, plots)])
    if json_target is not None:
        write_json(found.as_json(), json_target)


def parse_costs(pairs: Sequence[str]) -> dict[str, float]:
    """`MODEL=USD` pairs; raises `SettingsError` for anything else."""
    out: dict[str, float] = {}
    for pair in pairs:
        name, _, usd = pair.rpartition("=")
        try:
            out[name] = float(usd)
        except ValueError:
            name = ""
        if not name:
            raise SettingsError("--cost", f"is {pair!r}", "Write MODEL=USD, the price of one query.")
    return out
