"""`routenlp train-tasks [FILE ...] --out FOLDER`."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from routenlp import wiring
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import DataError, SettingsError
from routenlp.gateway.errors import ApiError
from routenlp.gateway.request import parse
from routenlp.replay import stored_tasks
from routenlp.replay.tagged_files import read_tagged
from routenlp.replay.task_training import Tagged, TaskPromise, TrainedTasks, train_tasks
from routenlp.store.sql.database import mapped, open_reader
from routenlp.store.sql.tagged import TaggedContent, tagged_content
from routenlp.types import Query


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    router: Path | None
    promise: TaskPromise
    seed: int


def run(files: Sequence[Path], store: Path | None, out: Path, options: Options, json_target: str | None) -> None:
    """From files, or from a store's tagged requests. Exits 1 where no task may ever be assigned."""
    if out.exists():
        raise SettingsError("--out", f"{str(out)!r} exists already", "Name a new folder: artefacts never change.")
    progress = progress_on(sys.stderr)
    with progress.stage("reading tagged texts"):
        tagged = read_tagged(files) if store is None else _from_store(store)
    if not tagged:
        raise DataError("tagged texts", "are none", "Give files, or store content of tagged requests first.")
    encoder = wiring.encoder_of_router(options.router) if options.router is not None else None
    begun_s = time.perf_counter()
    with progress.stage(f"learning from {len(tagged):,} texts, and proving"):
        trained = train_tasks(tagged, options.promise, encoder=encoder, seed=options.seed)
    seconds = time.perf_counter() - begun_s
    version = stored_tasks.save(out, trained, options.promise)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(trained, options.promise, out), ""])
    show_tables(console, [table(trained)])
    if json_target is not None:
        write_json(as_json(trained, options.promise, version, seconds), json_target)
    if trained.classifier.sure_from is None:
        sys.exit(1)


def words(trained: TrainedTasks, promise: TaskPromise, out: Path) -> list[str]:
    """The result in plain words."""
    assigned = sum(row.assigned for row in trained.by_task)
    wrong, rows = sum(row.wrong for row in trained.by_task), sum(row.rows for row in trained.by_task)
    why = trained.verdict.reason.rstrip(".")
    lines = []
    if trained.classifier.sure_from is None:
        lines.append(f"No confidence was shown to keep wrong assignments under {promise.alpha:.1%}: {why}.")
        lines.append(f"Stored in {out}: it assigns no task, and narrows walls only. Give more tagged texts.")
    else:
        lines.append(
            f"A task is assigned from a confidence of {trained.classifier.sure_from:.4f} on: of {rows:,} test queries "
            f"{assigned:,} were, {wrong:,} of them wrongly. Proved on {trained.verdict.n:,} others: at most "
            f"{promise.alpha:.1%} wrong, with probability {1 - promise.delta:.0%}."
        )
        lines.append(f"Stored in {out}. Settings: task_classifier: {{folder: {out}}}")
    lines += [f"Left out: task {task}, with {n} texts only." for task, n in trained.left_out.items()]
    never = [row.task for row in trained.by_task if row.plausible_from == 0.0]
    if never:
        lines.append(f"Never ruled out, so that their walls bind every untagged query: {', '.join(never)}.")
    return lines


def table(trained: TrainedTasks) -> Table:
    """Each task on the test fold."""
    heads = ("task", "test queries", "assigned", "wrongly", "own task not plausible", "calibrated on", "plausible from")
    rows = tuple(
        (
            r.task,
            f"{r.rows:,}",
            f"{r.assigned:,}",
            f"{r.wrong:,}",
            f"{r.missed:,}",
            f"{r.calibrated:,}",
            f"{r.plausible_from:.4f}",
        )
        for r in trained.by_task
    )
    return Table("Queries that no fit and no line saw", heads, rows)


def as_json(trained: TrainedTasks, promise: TaskPromise, version: str, seconds: float) -> dict[str, Any]:
    """For other programs."""
    verdict = trained.verdict
    return {
        "version": version,
        "promise": asdict(promise),
        "status": str(verdict.status),
        "sure_from": trained.classifier.sure_from,
        "n": verdict.n,
        "estimate": verdict.estimate,
        "bound": verdict.bound,
        "folds": dict(trained.sizes),
        "left_out": dict(trained.left_out),
        "tasks": [asdict(row) for row in trained.by_task],
        "seconds": seconds,
    }


def _from_store(path: Path) -> list[Tagged]:
    connection = open_reader(path)
    try:
        with mapped(path):
            found = tagged_content(connection)
    finally:
        connection.close()
    return [made for content in found if (made := _tagged(content)) is not None]


def _tagged(content: TaggedContent) -> Tagged | None:
    """Read as the gateway reads requests; None for messages that it would refuse. A conversation is one group."""
    body = msgspec.json.encode({"model": "auto", "messages": content.messages})
    try:
        request = parse(body)
    except ApiError:
        return None
    opening = request.turns[0].text if request.turns else request.text
    group = hashlib.sha256(f"{content.key_id}\0{opening}".encode("utf-8", "replace")).hexdigest()
    return Tagged(Query(content.trace_id, content.task, request.text, {}, request.turns), group)
