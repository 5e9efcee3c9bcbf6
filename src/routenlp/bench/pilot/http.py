"""A shorter pilot on the wall clock: the real gateway over HTTP with the official client, then the real worker.

The same first system, the same kind of traffic, audits at the default rates. What comes back is held against what the
simulated front decides for the same queries: they must be the same answers by the same tiers.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from routenlp.backends.recording import Row, write_recording
from routenlp.bench.demo.folder import as_yaml
from routenlp.bench.demo.traffic import Exchange, send
from routenlp.bench.gateway import processes
from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.days import Plan
from routenlp.bench.pilot.episodes import Weather
from routenlp.bench.pilot.front import Front, Side
from routenlp.bench.pilot.traffic import day_of_traffic
from routenlp.bench.progress import Progress
from routenlp.errors import DataError
from routenlp.replay.intervals import Interval, quantile_interval
from routenlp.settings import GatewaySettings, PolicySettings, Settings, StoreSettings
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import keys, statements
from routenlp.store.sql.database import open_store
from routenlp.types import Answer, Example
from routenlp.worker import labels

QUERIES, QUICK_QUERIES = 400, 120
_MAIN = "from routenlp.cli.app import main; main()"
_WORKER_S = 300.0


@dataclass(frozen=True, slots=True)
class HttpSeen:
    """What came back."""

    queries: int
    errors: int
    differing: int
    """Answers, or ways to them, that are not those of the simulated front."""
    cost_ratio: float
    quality_ratio: float
    p50_s: Interval
    """As the client saw it, like the next; the top tier is a recording that answers at once."""
    p99_s: Interval
    audits: int
    graded: int
    watched: int
    seconds: float


def over_http(
    settings: Settings,
    system: Path,
    folder: Path,
    front: Front,
    side: Side,
    plan: Plan,
    progress: Progress,
    *,
    queries: int,
) -> HttpSeen:
    """`system`: the first one, which `side` serves. `folder` must not exist."""
    begun_s = time.perf_counter()
    folder.mkdir()
    items = _items(front, plan, queries)
    examples = [front.book.catalogue.items[i].example for i in items]
    at = _write(settings, system, folder, front, items)
    store = folder / "http.db"
    connection = open_store(store)
    try:
        secret = keys.create(connection, "pilot", now_s=time.time()).secret
        with progress.stage("starting the gateway"):
            gateway = processes.start("gateway", ["-c", _MAIN, "serve", "--settings", str(at)], folder=folder)
        try:
            with progress.stage(f"{queries} queries over HTTP") as advance:
                exchanges = send(examples, f"{gateway.url}/v1", secret, advance, seed=plan.seed)
        finally:
            gateway.stop()
        with progress.stage("the worker, once before people's labels and once after them"):
            _work(at, folder)
            _label(connection, front, settings)
            _work(at, folder)
        counts: Counter[str] = Counter()
        for _, state, n in connection.execute(statements.AUDIT_STATES):
            counts[state] += n
        watched = int(connection.execute(statements.ALL_WATCHED).fetchone()[0])
    finally:
        connection.close()
    return _seen(front, side, items, exchanges, counts, watched, time.perf_counter() - begun_s)


def _items(front: Front, plan: Plan, queries: int) -> list[int]:
    """Counted, and each once: a recording knows a query by its id."""
    arrivals = day_of_traffic(front.book.catalogue, plan.mix, plan.a_day, 0, Weather(), seed=plan.seed + 1)
    counted = [int(i) for i in arrivals.item if front.book.catalogue.items[i].counted]
    return list(dict.fromkeys(counted))[:queries]


def _write(settings: Settings, system: Path, folder: Path, front: Front, items: Sequence[int]) -> Path:
    """Settings, system and a recording of every tier that is no student."""
    copy = folder / "system"
    shutil.copytree(system, copy)
    portfolio = tuple(
        msgspec.structs.replace(tier, recording=str(_record(front, tier.name, items, folder)))
        if tier.backend == "recorded"
        else tier
        for tier in settings.portfolio
    )
    served = msgspec.structs.replace(
        settings,
        portfolio=portfolio,
        tasks={name: msgspec.structs.replace(task, sla_ms=None) for name, task in settings.tasks.items()},
        policy=PolicySettings(folder=str(copy)),
        store=StoreSettings(url=f"sqlite:///{folder / 'http.db'}"),
        gateway=GatewaySettings(port=0, admin_port=0),
        cache_dir=str(Path(settings.cache_dir).expanduser().resolve()),
    )
    at = folder / "routenlp.yaml"
    at.write_text(as_yaml(served), encoding="utf-8")
    return at


def _record(front: Front, tier: str, items: Sequence[int], folder: Path) -> Path:
    """What the tier says of those that it may be asked."""
    at, rows = folder / f"{tier}.jsonl.gz", []
    for i in items:
        example = front.book.catalogue.items[i].example
        if tier == front.book.portfolio.top or front.book.knows(tier, example.query.task, ""):
            rows.append(_row(example, front.book.answer(tier, i, "", Moment())))
    write_recording(at, rows)
    return at


def _row(example: Example, answer: Answer) -> Row:
    query, tokens = example.query, (answer.input_tokens, answer.output_tokens)
    probs = list(answer.token_probs or ())
    return Row(query.id, query.task, query.text, answer.text, dict(query.metadata), list(query.turns), probs, tokens)


def _work(settings: Path, folder: Path) -> None:
    done = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-c", _MAIN, "worker", "--once", "--settings", str(settings)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_WORKER_S,
        check=False,
    )
    if done.returncode:
        raise DataError("routenlp worker --once", f"ended with {done.stderr[-400:]}", "See the message.")


def _label(connection: sqlite3.Connection, front: Front, settings: Settings) -> None:
    """People grade what waits for them."""
    found = connection.execute(statements.UNLABELLED_AUDITS).fetchall()
    lines = []
    for name, _ in found:
        body = connection.execute(statements.CONTENT_OF, (name,)).fetchone()[0]
        item = front.book.item_named(json.loads(body)["request"]["metadata"]["query_id"])
        reference = front.book.catalogue.items[item].example.reference
        lines.append((name, json.dumps({"id": name, "reference": reference})))
    metrics = {name: task.metric for name, task in settings.tasks.items()}
    content = ContentPolicy("all", redact=())
    labels.import_labels(connection, lines, metrics, content, grader="people", now_s=time.time())


def _seen(
    front: Front,
    side: Side,
    items: Sequence[int],
    exchanges: Sequence[Exchange],
    counts: Mapping[str, int],
    watched: int,
    seconds: float,
) -> HttpSeen:
    ways = [front.way(side, item, Moment()) for item in items]
    tops = [front.book.answer(front.book.portfolio.top, item, "", Moment()) for item in items]
    differing = sum(
        (x.text, x.tiers) != (way.answers[way.tier], tuple(step.tier for step in way.steps))
        for x, way in zip(exchanges, ways, strict=True)
    )
    quality = sum(
        front.book.quality(item, x.text) for item, x in zip(items, exchanges, strict=True) if x.text is not None
    )
    top_quality = sum(front.book.quality(item, top.text) for item, top in zip(items, tops, strict=True))
    took = np.array([x.seconds for x in exchanges])
    return HttpSeen(
        len(items),
        sum(x.text is None for x in exchanges),
        differing,
        sum(x.cost_usd for x in exchanges) / sum(top.cost_usd for top in tops),
        quality / top_quality,
        quantile_interval(took, 0.5),
        quantile_interval(took, 0.99),
        sum(counts.values()),
        counts.get("graded", 0),
        watched,
        seconds,
    )
