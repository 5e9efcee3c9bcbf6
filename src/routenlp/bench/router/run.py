"""One run of the router bench."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from routenlp.backends.encoders.cache import CachedTokenEncoder
from routenlp.backends.encoders.minilm import MiniLM
from routenlp.bench.backtest.recordings import SOURCES, Source
from routenlp.bench.progress import Progress
from routenlp.bench.router import speed
from routenlp.bench.router.apgr import SETTINGS, Pairs, Ranking, rank
from routenlp.bench.router.recordings import Worth, folds, reaches, worths
from routenlp.bench.router.speed import Decision, Training
from routenlp.contracts import Encoder
from routenlp.replay.backtest.reaches import Reaches
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.training.static_encoder import distil
from routenlp.training.text_features import count_texts

SEEDS, QUICK_SEEDS = 5, 1
REACH_SEEDS = 3
"""Of the comparison with route-only and cascade-only, which takes the longest."""
MIDDLE = slice(384, 768)
"""Of the sentence encoder's rich vectors: what `MiddleLayer` gives; best on MMLU's even half."""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that tables, checks and JSON are made of."""

    rankings: Sequence[Ranking]
    worths: Sequence[Worth]
    reaches: Mapping[str, Sequence[Reaches]]
    decisions: Mapping[str, Decision]
    """By encoder."""
    training: Training
    seeds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Encoders:
    """The sentence encoder, bare for timing, and its longer vectors with a memory on disk."""

    sentence: MiniLM
    remembered: CachedTokenEncoder
    rich: CachedTokenEncoder


def run(where: Path, encoders: Encoders, progress: Progress, *, seeds: int, only: Sequence[str] = ()) -> Found:
    """`where`: the folder of recordings. `only`: recordings, by name; all where empty."""
    begin = time.perf_counter()
    chosen = [source for source in SOURCES if not only or source.name in only]
    with progress.stage("timing decisions and training"):
        decisions, training = run_speed(where, encoders)
    rankings = _rankings(where, encoders, progress, seeds)
    found_worths, found_reaches = _recordings(chosen, where, progress, seeds)
    return Found(rankings, found_worths, found_reaches, decisions, training, seeds, time.perf_counter() - begin)


def _rankings(where: Path, encoders: Encoders, progress: Progress, seeds: int) -> list[Ranking]:
    out: list[Ranking] = []
    source = SOURCES[0]
    table = read_outcomes(where / f"{source.name}.parquet", costs=source.costs, split_column=None)
    subjects = _subjects(where / f"{source.name}.parquet")
    pairs: dict[str, Pairs] = {}
    for name in dict.fromkeys(setting.task for setting in SETTINGS):
        part = table.task(name)
        with progress.stage(f"encoding {part.n:,} queries of {name}"):
            assert part.texts is not None
            named = [subjects.get((name, query_id)) or name for query_id in part.ids]
            subject = np.unique(named, return_inverse=True)[1].astype(np.int64)
            sentences = encoders.rich.encode(part.texts)[:, MIDDLE]
            pairs[name] = Pairs(part.texts, subject, part.quality, count_texts(part.texts), sentences)
    for setting in SETTINGS:
        with progress.stage(setting.name) as advance:
            for seed in range(seeds):
                out += rank(pairs[setting.task], setting, seed)
                advance(seed + 1, seeds)
    return out


def _subjects(path: Path) -> dict[tuple[str, str], str]:
    """By task and query id; MMLU's subject stands in the recording's column `split`."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path, columns=["task", "query_id", "split"]).to_pydict()
    return dict(zip(zip(columns["task"], columns["query_id"], strict=True), columns["split"], strict=True))


def _recordings(
    sources: Sequence[Source], where: Path, progress: Progress, seeds: int
) -> tuple[list[Worth], dict[str, list[Reaches]]]:
    found: list[Worth] = []
    compared: dict[str, list[Reaches]] = {}
    for source in sources:
        with progress.stage(f"{source.name}, {seeds} splits") as advance:
            for fold in folds(source, where, seeds):
                if source.has_text:
                    found += worths(source.name, fold)
                if fold.seed < REACH_SEEDS:
                    compared.setdefault(source.name, []).append(reaches(fold))
                advance(fold.seed + 1, seeds)
    return found, compared


def run_speed(where: Path, encoders: Encoders) -> tuple[dict[str, Decision], Training]:
    """The part about time and size alone: decisions by encoder, and training."""
    table = speed.recorded(where)
    training, hashed = speed.training(table)
    few = table.rows(np.arange(speed.OTHER_ROWS))
    static = speed.train_on(distil(encoders.remembered, few.texts or ()), few)
    sentence = replace_encoder(speed.train_on(encoders.remembered, few), encoders.sentence)
    ready = {"hashed": hashed, "static": static, "minilm": sentence}
    return {name: speed.decision(router, few) for name, router in ready.items()}, training


def replace_encoder(ready: speed.Ready, encoder: Encoder) -> speed.Ready:
    """The same router on the bare encoder: what is remembered is not timed."""
    return replace(ready, encoder=encoder, router=replace(ready.router, encoder=encoder))
