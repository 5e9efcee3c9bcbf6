"""`routenlp train OUTCOMES --out FOLDER`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from routenlp import settings as settings_file
from routenlp import wiring
from routenlp.backends.encoders.stored import Weights
from routenlp.bench.progress import Advance, progress_on
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.train_tables import (
    costs_table,
    dropped_words,
    fits_table,
    preference_words,
    promises_table,
    timing_table,
    words,
)
from routenlp.conformal.walk import check_level
from routenlp.errors import SettingsError
from routenlp.portfolio.prices import Price
from routenlp.replay import stored_router
from routenlp.replay.certificates import issue_all, issue_unproved
from routenlp.replay.outcomes.prices import GivenCost, read_prices
from routenlp.replay.outcomes.reading import read_outcomes, recording_of
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.text_readers import READERS
from routenlp.replay.trained import Means, Trained, train
from routenlp.replay.trained_on_preferences import PreferenceTrained, train_on_preferences
from routenlp.replay.wanted import Wanted, WantedOfTasks
from routenlp.settings import Settings
from routenlp.training.preferences import read_compared
from routenlp.types import Query

TIMED = 500
"""Decisions timed after training."""
BARE = "portfolio: [{name: top, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]"
"""Settings where none are given: only where encoders' weights lie is read of them."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    tiers: Sequence[str] | None
    wanted: Wanted
    """Of tasks that the settings do not name."""
    handled_at: float | None
    """Of the same; None: 1 where every answer is right or wrong, else 0.5."""
    seed: int
    costs: Mapping[str, float]
    prices: Path | None
    task_column: str | None
    split_column: str | None
    calibrate_most: int | None
    encoder: str
    preferences: Path | None
    preference_weight: float
    settings: Path | None


@dataclass(frozen=True, slots=True)
class Timed:
    """What the stored router takes on this machine."""

    train_s: float
    load_s: float
    decision_p50_s: float
    artefact_mb: float


@dataclass(frozen=True, slots=True)
class Given:
    """What the settings say of a training run; of a run without any, what the command line says."""

    settings: Settings
    """Where encoders' weights lie."""
    serving: Settings | None
    """The settings that will serve; None where none were named."""
    tiers: Sequence[str] | None
    prices: Mapping[str, GivenCost]

    def wanted(self, default: Wanted) -> WantedOfTasks:
        """Of each task; `default`: of one that no settings name."""
        return WantedOfTasks(default) if self.serving is None else wiring.wanted(self.serving, default)


def run(outcomes: Path, out: Path, options: Options, environ: Mapping[str, str], json_target: str | None) -> None:
    """Train, store, load again, time; then plain words and tables."""
    _check(out, options)
    given = given_by(options, outcomes, environ)
    progress = progress_on(sys.stderr)
    with progress.stage(f"reading {outcomes.name}"):
        table = _read(outcomes, options, given)
    begin = time.perf_counter()
    with progress.stage("training, certifying and measuring") as advance:
        means = _means(options, given, table, advance)
        trained = train(
            table,
            given.wanted(_default(options, table)),
            tiers=given.tiers,
            calibrate_most=options.calibrate_most,
            seed=options.seed,
            means=means,
        )
    train_s = time.perf_counter() - begin
    version = store(out, trained, given.serving, datetime.now(UTC))
    timed = _time(out, table, train_s, lambda: wiring.minilm(given.settings, _silent), time.perf_counter)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *dropped_words(table), *words(trained, given.serving is not None, out), ""])
    show_tables(console, [promises_table(trained), costs_table(trained), fits_table(trained), timing_table(timed)])
    if json_target is not None:
        write_json(as_json(trained, timed, version), json_target)


def run_on_preferences(out: Path, options: Options, environ: Mapping[str, str], json_target: str | None) -> None:
    """The same without any outcomes."""
    _check(out, options)
    if options.preferences is None or not options.tiers:
        problem = "are not given, and neither are OUTCOMES"
        raise SettingsError("--preferences and --tiers", problem, "Give outcomes, or preferences and tiers.")
    given = given_by(options, None, environ)
    with progress_on(sys.stderr).stage("training on preferences alone") as advance:
        trained = train_on_preferences(
            read_compared(options.preferences, options.tiers),
            options.wanted,
            tiers=options.tiers,
            cost_usd=options.costs,
            encoder=options.encoder,
            sentences=lambda: wiring.sentences(given.settings, _say, advance),
            seed=options.seed,
        )
    certificates = issue_unproved(trained, _day(datetime.now(UTC)))
    version = stored_router.save(out, trained.encoder, trained.router, trained.stop_rule, certificates)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *preference_words(trained, out), ""])
    if json_target is not None:
        write_json(_preferences_as_json(trained, version), json_target)


def _preferences_as_json(trained: PreferenceTrained, version: str) -> dict[str, Any]:
    return {
        "version": version,
        "tiers": list(trained.router.tiers),
        "folds": dict(trained.sizes),
        "status": str(trained.verdict.status),
        "reason": trained.verdict.reason,
        "seen": None if trained.seen is None else asdict(trained.seen),
        "log_loss": trained.log_loss,
        "contradictions": asdict(trained.contradictions),
    }


def _day(now: datetime) -> datetime:
    """So that two runs on one day write the same bytes."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def given_by(options: Options, outcomes: Path | None, environ: Mapping[str, str]) -> Given:
    """Reads the settings, where some are named, and the prices."""
    recording = None if outcomes is None else recording_of(outcomes)
    listed = read_prices(options.prices, recording) if options.prices is not None else {}
    if options.settings is None:
        bare = settings_file.load(None, environ, default=BARE)
        return Given(bare, None, options.tiers, listed)
    serving = settings_file.load(options.settings, environ, default="")
    wiring.fetch_weights(serving, lambda line: print(f"{line} ...", file=sys.stderr))
    of_tiers: dict[str, GivenCost] = {tier.name: tier.price for tier in wiring.portfolio(serving).tiers}
    tiers = options.tiers or [tier.name for tier in serving.portfolio]
    return Given(serving, serving, tiers, of_tiers | listed)


def store(out: Path, trained: Trained, serving: Settings | None, now: datetime) -> str:
    """Writes the router with its certificates, dated to the day."""
    today = _day(now)
    if serving is None:
        certificates = issue_all(trained, today)
    else:
        tasks = wiring.trained_tasks(serving, trained.stop_rule.tasks)
        certificates = issue_all(trained, today, wiring.portfolio(serving), tasks)
    return stored_router.save(out, trained.encoder, trained.router, trained.stop_rule, certificates, trained.ladders)


def as_json(trained: Trained, timed: Timed, version: str) -> dict[str, Any]:
    """For other programs."""
    return {
        "version": version,
        "tiers": list(trained.tiers.names),
        "folds": dict(trained.sizes),
        "tasks": {name: _task_as_json(trained, name) for name in trained.tasks},
        "overall": asdict(trained.point),
        "fits": [asdict(fit) for fit in trained.fits],
        "costs_from_tokens": trained.prices is not None,
        "notes": list(trained.notes),
        "timing": asdict(timed),
    }


def _task_as_json(trained: Trained, name: str) -> dict[str, Any]:
    task = trained.tasks[name]
    walk, verdict = task.walk, task.walk.verdict
    return {
        "guarantee": verdict.rule,
        "target": verdict.target,
        "delta": verdict.delta,
        "serve_when": str(walk.wanted.serve_when),
        "status": str(walk.status),
        "method": str(verdict.method),
        "over": list(walk.tasks),
        "n": verdict.n,
        "groups": verdict.groups,
        "design_effect": verdict.design_effect,
        "rows": task.rows,
        "estimate": verdict.estimate,
        "bound": verdict.bound,
        "reason": verdict.reason,
        "labels_still_needed": walk.labels_still_needed,
        "test": None if task.point is None else asdict(task.point),
    }


def _check(out: Path, options: Options) -> None:
    if out.exists():
        raise SettingsError("--out", f"{str(out)!r} exists already", "Name a new folder: artefacts never change.")
    if options.encoder not in READERS:
        raise SettingsError("--encoder", f"is {options.encoder!r}", f"Choose {', '.join(READERS)}.")
    target = options.wanted.target
    for name, value in (("--eps", target.eps), ("--alpha", target.alpha), ("--delta", target.delta)):
        check_level(name, value)
    if options.handled_at is not None and not 0.0 < options.handled_at <= 1.0:
        raise SettingsError("--handled-at", f"is {options.handled_at}", "Choose a quality above 0, at most 1.")
    if not 0.0 < options.preference_weight < float("inf"):
        problem = f"is {options.preference_weight}"
        raise SettingsError("--preference-weight", problem, "Give a positive number, 1 for as much as outcomes.")


def _default(options: Options, table: OutcomeTable) -> Wanted:
    binary = bool(np.isin(table.quality, (0.0, 1.0)).all())
    handled_at = options.handled_at if options.handled_at is not None else (1.0 if binary else 0.5)
    return replace(options.wanted, target=replace(options.wanted.target, handled_at=handled_at))


def _means(options: Options, given: Given, table: OutcomeTable, advance: Advance) -> Means:
    """Preferences may name models that were recorded and are no tiers: these are counted, others are an error."""
    recorded = [*table.models, *(d.what.removeprefix("model ") for d in table.dropped if d.what.startswith("model "))]
    return Means(
        options.encoder,
        lambda: wiring.sentences(given.settings, _say, advance),
        {name: price for name, price in given.prices.items() if isinstance(price, Price)},
        None if options.preferences is None else read_compared(options.preferences, recorded),
        options.preference_weight,
    )


def _read(outcomes: Path, options: Options, given: Given) -> OutcomeTable:
    return read_outcomes(
        outcomes,
        models=given.tiers,
        costs=options.costs or None,
        prices=dict(given.prices) or None,
        task_column=options.task_column,
        split_column=options.split_column,
    )


def _time(folder: Path, table: OutcomeTable, train_s: float, weights: Weights, clock: Callable[[], float]) -> Timed:
    begin = clock()
    stored = stored_router.load(folder, weights)
    load_s = clock() - begin
    times = []
    for query_id, task, text in list(zip(table.ids, table.tasks, table.texts or (), strict=True))[:TIMED]:
        query = Query(query_id, task, text)
        begin = clock()
        stored.stop_rule.next(stored.router.route(query), ())
        times.append(clock() - begin)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Timed(train_s, load_s, statistics.median(times), size / 1e6)


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


def _silent(_: str) -> None:
    """Nothing is told: training told it."""
