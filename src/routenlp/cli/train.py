"""`routenlp train OUTCOMES --out FOLDER`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.conformal.verdict import Status
from routenlp.errors import SettingsError
from routenlp.replay import stored_router
from routenlp.replay.backtest.certify import Target
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.trained import Trained, train
from routenlp.types import Query

TIMED = 500
"""Decisions timed after training."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    tiers: Sequence[str] | None
    eps: float
    delta: float
    serve_when: Status
    seed: int
    costs: Mapping[str, float]
    prices: Path | None
    task_column: str | None
    split_column: str | None
    calibrate_most: int | None


@dataclass(frozen=True, slots=True)
class Timed:
    """What the stored router takes on this machine."""

    train_s: float
    load_s: float
    decision_p50_s: float
    artefact_mb: float


def run(outcomes: Path, out: Path, options: Options, json_target: str | None) -> None:
    """Train, store, load again, time; then plain words and two tables."""
    if out.exists():
        raise SettingsError("--out", f"{str(out)!r} exists already", "Name a new folder: artefacts never change.")
    progress = progress_on(sys.stderr)
    with progress.stage(f"reading {outcomes.name}"):
        table = _read(outcomes, options)
    target = Target(eps=options.eps, delta=options.delta)
    begin = time.perf_counter()
    with progress.stage("training, certifying and measuring"):
        trained = train(
            table,
            target,
            tiers=options.tiers,
            serve_when=options.serve_when,
            calibrate_most=options.calibrate_most,
            seed=options.seed,
        )
    train_s = time.perf_counter() - begin
    version = stored_router.save(out, trained.encoder, trained.router, trained.stop_rule, trained.status)
    timed = _time(out, table, train_s, time.perf_counter)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(trained, target, out), ""])
    show_tables(console, [fits_table(trained), timing_table(timed)])
    if json_target is not None:
        write_json(as_json(trained, target, timed, version), json_target)


def words(trained: Trained, target: Target, out: Path) -> list[str]:
    """The result in plain words, and what to do next."""
    names, cost, quality = trained.tiers.names, trained.point.cost_ratio, trained.point.quality_ratio
    why = trained.verdict.reason.rstrip(".")
    kept = f"{1 - target.eps:.0%} of the quality of {names[-1]}"
    if trained.status is Status.UNCERTIFIED:
        return [
            f"Nothing cheaper than always {names[-1]} was shown to keep {kept}: {why}.",
            f"Stored in {out}: a router that sends everything there. Record more graded answers, or ask for less.",
        ]
    return [
        f"On {trained.sizes['test']:,} test queries this router cost {interval(cost)} of always {names[-1]} "
        f"and kept {interval(quality)} of its quality.",
        f"Asked for: {kept}. Status {str(trained.status).upper()}: {why}.",
        f"Stored in {out}, with tiers {', '.join(names)}.",
    ]


def fits_table(trained: Trained) -> Table:
    """What the router knows of each tier, against knowing its mean alone."""
    rows = tuple(
        (f.tier, f"{f.mean_quality:.3f}", f"{f.log_loss:.4f}", f"{f.log_loss_of_mean:.4f}") for f in trained.fits
    )
    heads = ("tier", "mean quality", "log-loss of the router", "log-loss of the tier's mean")
    return Table(f"On {trained.sizes['calibrate']:,} calibration queries, which no fit saw", heads, rows)


def timing_table(timed: Timed) -> Table:
    """Of this machine."""
    row = (
        f"{timed.train_s:.1f} s",
        f"{timed.artefact_mb:.1f} MB",
        f"{timed.load_s:.2f} s",
        f"{timed.decision_p50_s * 1e3:.3f} ms",
    )
    return Table("On this machine", ("training", "artefact", "loading", "decision, median"), (row,))


def as_json(trained: Trained, target: Target, timed: Timed, version: str) -> dict[str, Any]:
    """For other programs."""
    return {
        "version": version,
        "target": {"guarantee": target.guarantee, "eps": target.eps, "delta": target.delta},
        "tiers": list(trained.tiers.names),
        "folds": dict(trained.sizes),
        "status": str(trained.status),
        "overall": asdict(trained.point),
        "fits": [asdict(fit) for fit in trained.fits],
        "timing": asdict(timed),
    }


def _read(outcomes: Path, options: Options) -> OutcomeTable:
    return read_outcomes(
        outcomes,
        models=options.tiers,
        costs=options.costs or None,
        prices=options.prices,
        task_column=options.task_column,
        split_column=options.split_column,
    )


def _time(folder: Path, table: OutcomeTable, train_s: float, clock: Callable[[], float]) -> Timed:
    begin = clock()
    stored = stored_router.load(folder)
    load_s = clock() - begin
    times = []
    for query_id, task, text in list(zip(table.ids, table.tasks, table.texts or (), strict=True))[:TIMED]:
        query = Query(query_id, task, text)
        begin = clock()
        stored.stop_rule.next(stored.router.route(query), ())
        times.append(clock() - begin)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Timed(train_s, load_s, statistics.median(times), size / 1e6)
