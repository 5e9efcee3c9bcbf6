"""How fast the router is trained, loaded and asked, on this machine; asked in one thread, as the gateway asks it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.cascade.continuation import ContinuationRule
from routenlp.contracts import Encoder
from routenlp.replay import stored_router
from routenlp.replay.backtest.features import make_rows
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.threads import one_thread
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SurfaceFrame, frame_surface, surface
from routenlp.training.text_features import count_texts, fit_text_frame
from routenlp.types import Query

RECORDING = "mmlupro_cot_responses"
TIERS = ("Phi-3-mini-4k-instruct", "gemini-1.5-flash-002", "Meta-Llama-3_1-70B-Instruct", "gemini-1.5-pro-002")
QUERIES = 10_000
SHORT_WORDS = 12
"""Of a short query: the length that encoders' times are given for elsewhere."""
TIMED, WARM = 300, 20
OTHER_ROWS = 2_000
"""Trained on where another encoder is timed: how many there were does not show in a decision."""
BATCH = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A router with the stop rule behind it, and the ladder that the rule is of."""

    encoder: Encoder
    surface: SurfaceFrame
    router: LearnedRouter
    stop_rule: ContinuationRule
    ladder: ContinuationLadder


@dataclass(frozen=True, slots=True)
class Training:
    """Of the router on hashed n-grams, from texts to the file."""

    queries: int
    tiers: int
    train_s: float
    load_s: float
    artefact_mb: float
    same_bytes: bool
    """Whether training again with the same seed wrote the same files."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One query at a time, from its text to the first tier."""

    encoder: str
    short_p50_s: float
    """Of queries of `SHORT_WORDS` words."""
    recorded_p50_s: float
    """Of the recording's own questions."""
    recorded_chars: int
    """Their median length."""
    batch_per_s: float
    """Short queries decided a second, `BATCH` at once."""


def recorded(where: Path, queries: int = QUERIES) -> OutcomeTable:
    """The first queries of a recording, with four tiers."""
    table = read_outcomes(where / f"{RECORDING}.parquet", models=TIERS)
    return table.rows(np.random.default_rng(0).permutation(table.n)[:queries])


def train(table: OutcomeTable, *, seed: int = 0) -> Ready:
    """On hashed n-grams of all queries of `table`."""
    texts = _texts(table)
    frame = fit_text_frame(counts := count_texts(texts), np.arange(table.n), seed=seed)
    rows = make_rows(table, table.models, frame.features(counts))
    return _ready(frame.encoder(), frame.surface, rows, seed)


def train_on(encoder: Encoder, table: OutcomeTable, *, seed: int = 0) -> Ready:
    """On the vectors of any encoder."""
    texts = _texts(table)
    frame = frame_surface(np.array([surface(text) for text in texts]))
    rows = make_rows(table, table.models, frame.beside(encoder.encode(texts), texts))
    return _ready(encoder, frame, rows, seed)


def _texts(table: OutcomeTable) -> Sequence[str]:
    return table.texts or ()


def _ready(encoder: Encoder, frame: SurfaceFrame, rows: Rows, seed: int) -> Ready:
    ladder = fit_continuation(rows, seed)
    fitted = ladder.fitted
    router = LearnedRouter(encoder, frame, rows.tiers, rows.task_names, fitted.router, fitted.cost, fitted.top_cost_usd)
    return Ready(encoder, frame, router, ladder.rule(ladder.size // 2, rows), ladder)


def training(table: OutcomeTable, clock: Callable[[], float] = time.perf_counter) -> tuple[Training, Ready]:
    """Train twice, store twice, load once."""
    begin = clock()
    ready = train(table)
    train_s = clock() - begin
    with tempfile.TemporaryDirectory(prefix="routenlp-") as scratch:
        first, second = Path(scratch) / "first", Path(scratch) / "second"
        _save(first, ready)
        _save(second, train(table))
        begin = clock()
        stored_router.load(first)
        load_s = clock() - begin
        one, other = _bytes(first), _bytes(second)
    size = sum(len(data) for data in one.values())
    return Training(table.n, len(table.models), train_s, load_s, size / 1e6, one == other), ready


def _save(folder: Path, ready: Ready) -> None:
    if not isinstance(ready.encoder, HashedEncoder):
        raise TypeError("only a router on hashed n-grams is stored with its encoder")
    stored_router.save(folder, ready.encoder, ready.router, ready.stop_rule)


def _bytes(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def decision(ready: Ready, table: OutcomeTable, clock: Callable[[], float] = time.perf_counter) -> Decision:
    """Route and first step of the stop rule, on queries of `table`."""
    some = [
        Query(query_id, task, text) for query_id, task, text in zip(table.ids, table.tasks, _texts(table), strict=True)
    ][: WARM + TIMED]
    short = [replace(query, text=" ".join(query.text.split()[:SHORT_WORDS])) for query in some]
    with one_thread():
        return Decision(
            encoder=ready.encoder.name,
            short_p50_s=_p50_s(ready, short, clock),
            recorded_p50_s=_p50_s(ready, some, clock),
            recorded_chars=int(statistics.median(len(query.text) for query in some)),
            batch_per_s=_batch_per_s(ready, short, clock),
        )


def _p50_s(ready: Ready, queries: Sequence[Query], clock: Callable[[], float]) -> float:
    times = []
    for query in queries:
        begin = clock()
        ready.stop_rule.next(ready.router.route(query), ())
        times.append(clock() - begin)
    return statistics.median(times[WARM:])


def _batch_per_s(ready: Ready, queries: Sequence[Query], clock: Callable[[], float]) -> float:
    """The tier of the largest expected quality - cost, for all queries of a batch together."""
    router = ready.router
    texts = [queries[i % len(queries)].text for i in range(BATCH)]
    task = np.array([router.tasks.index(queries[i % len(queries)].task) for i in range(BATCH)], dtype=np.int64)
    best = np.inf
    for _ in range(3):
        begin = clock()
        features = ready.surface.beside(ready.encoder.encode(texts), texts)
        (router.quality.estimate(features, task) - router.cost.estimate(features, task)).argmax(axis=1)
        best = min(best, clock() - begin)
    return BATCH / best
