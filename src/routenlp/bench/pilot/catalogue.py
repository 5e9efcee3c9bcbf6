"""Every query that can come: rows of the pools, their noisy twins, queries out of scope, and those of a new task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.episodes import DOCUMENTS, INTENTS, NEW_TASK, Episode, Kind
from routenlp.bench.pilot.noise import ocr
from routenlp.bench.pilot.pools import Pool
from routenlp.types import Example, Query

OUT_OF_SCOPE = "oos"
"""CLINC150's label of what belongs to no intent, and what people say of such a query."""
MOST_NEW = 2_000
"""Rows of the new task."""


@dataclass(frozen=True, slots=True)
class Item:
    """One query that may come, again and again."""

    example: Example
    counted: bool
    """Else it may be learned from, and no figure has it."""

    @property
    def task(self) -> str:
        """Its query's."""
        return self.example.query.task


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All items, and which of them come in which weather, by position."""

    items: tuple[Item, ...]
    plain: Mapping[str, NDArray[np.int64]]
    """By task."""
    noisy: Mapping[str, NDArray[np.int64]]
    """By task of documents."""
    hard: NDArray[np.int64]
    """Intents that the cheap tiers know least."""
    out_of_scope: NDArray[np.int64]
    new_task: NDArray[np.int64]

    def of_task(self, task: str) -> NDArray[np.int64]:
        """Positions of all of a task's items."""
        return np.array([i for i, item in enumerate(self.items) if item.task == task], dtype=np.int64)


def make_catalogue(
    pools: Mapping[str, Pool], strangers: Sequence[Example], hard: Collection[str], episodes: Sequence[Episode]
) -> Catalogue:
    """`strangers`: CLINC150 rows; none where they are not at hand. `hard`: labels of the intent task."""
    items: list[Item] = []

    def add(examples: Sequence[Example], *, counted: bool) -> NDArray[np.int64]:
        items.extend(Item(example, counted) for example in examples)
        return np.arange(len(items) - len(examples), len(items), dtype=np.int64)

    plain, noisy = {}, {}
    letters = max((e.strength for e in episodes if e.kind is Kind.OCR_NOISE), default=0.0)
    for task, pool in pools.items():
        plain[task] = np.concatenate([add(pool.counted, counted=True), add(pool.lessons, counted=False)])
        if letters and task in DOCUMENTS:
            noisy[task] = add([_noisy(e, letters) for e in pool.counted], counted=True)
    outside = [e for e in strangers if e.reference == OUT_OF_SCOPE]
    inside = [e for e in strangers if e.reference != OUT_OF_SCOPE][:: max(1, len(strangers) // MOST_NEW)]
    intents = next((task for task in INTENTS if task in pools), None)
    nothing = np.empty(0, dtype=np.int64)
    if intents is None:
        return Catalogue(tuple(items), plain, noisy, nothing, nothing, nothing)
    schema = next((e.query.metadata for e in pools[intents].counted), {})
    oos = add([_renamed(e, intents, schema) for e in outside], counted=True)
    new = add([_renamed(e, NEW_TASK, e.query.metadata) for e in inside], counted=True)
    difficult = np.array([i for i in plain[intents] if items[i].example.reference in hard], dtype=np.int64)
    return Catalogue(tuple(items), plain, noisy, difficult, oos, new)


def _noisy(example: Example, letters: float) -> Example:
    query = example.query
    twin = replace(query, id=f"{query.id}#ocr", text=ocr(query.text, letters, query.id))
    return replace(example, query=twin)


def _renamed(example: Example, task: str, metadata: Mapping[str, str]) -> Example:
    query = example.query
    return replace(example, query=Query(query.id, task, query.text, metadata, query.turns))
