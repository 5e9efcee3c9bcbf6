"""All rows of a recording in memory, as arrays: names as small integers, each text once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import CorruptData, DataError, SettingsError
from routenlp.replay.outcomes.batches import Batch, Coded, Source, Wanted, at_row
from routenlp.types import FloatArray

REQUIRED = ("query_id", "model", "quality")
DEFAULT_TASK = "default"
ROUNDING = 1e-6
"""How far a grade may pass 0 or 1: 32-bit numbers round. It is set to 0 or 1 then."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a column's numbers may be: 0 to `high`, and finite."""

    high: float
    remedy: str

    def outside(self, values: FloatArray) -> NDArray[np.bool_]:
        """Which values it does not allow."""
        slack = ROUNDING if np.isfinite(self.high) else 0.0
        return np.asarray((values < -slack) | (values > self.high + slack) | np.isinf(values))


RANGES: Mapping[str, Range] = {
    "quality": Range(1.0, "Quality is 0 (useless) to 1 (perfect): divide the grades by the highest there is"),
    "confidence": Range(1.0, "Confidence is 0 (unsure) to 1 (sure). Turn log-probabilities into probabilities"),
    "cost_usd": Range(np.inf, "Give USD, 0 or more, or leave it empty"),
    "cost_est_usd": Range(np.inf, "Give USD, 0 or more, or leave it empty"),
    "input_tokens": Range(np.inf, "Give a number of tokens, or leave it empty"),
    "output_tokens": Range(np.inf, "Give a number of tokens, or leave it empty"),
    "latency_ms": Range(np.inf, "Give milliseconds, or leave it empty"),
    "response": Range(np.inf, "Give a text, or leave it empty"),
}


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Columns that the caller may rename; None: the usual one, where there is one."""

    task: str | None = None
    split: str | None = None
    confidence: str | None = None

    def of(self, kind: str) -> str:
        """The column that holds `kind`."""
        return {"task": self.task, "confidence": self.confidence}.get(kind) or kind


@dataclass(slots=True)
class Gathered:
    """Rows in the order read, and what is said of each query."""

    name: str
    queries: dict[tuple[str, str], int] = field(default_factory=dict)
    """Position by (task, id)."""
    models: dict[str, int] = field(default_factory=dict)
    query: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each row."""
    model: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each row."""
    numbers: dict[str, FloatArray] = field(default_factory=dict)
    """By kind, for each row; NaN where it has none."""
    texts: dict[int, str] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    splits: dict[int, str] = field(default_factory=dict)
    differing: set[int] = field(default_factory=set)
    """Queries whose rows have different texts; the first in the order of the alphabet is kept."""


def gather(source: Source, names: ColumnNames) -> Gathered:
    """Read `source` once.

    Raises `DataError` naming row, column and value for a row without id or model, or a number out of its range;
    `CorruptData` for a recording without rows; `SettingsError` for a column asked for that is not there.
    """
    wanted = _wanted(names)
    if source.columns is not None:
        _check_columns(source.name, source.columns, names)
    gathered = Gathered(source.name)
    seen: set[str] = set()
    query, model = [gathered.query], [gathered.model]
    numbers: dict[str, list[FloatArray]] = {kind: [] for kind in RANGES}
    for batch in source.batches(wanted):
        seen.update(batch.texts, batch.numbers)
        if not {"query_id", "model"} <= seen:
            _check_columns(source.name, seen, names)
        query.append(_queries(gathered, batch, names))
        model.append(_positions(gathered.models, _required(source.name, batch, "model")))
        _note_attributes(gathered, batch, query[-1], names)
        for kind in RANGES:
            numbers[kind].append(_numbers(source.name, batch, kind, names.of(kind)))
    gathered.query, gathered.model = np.concatenate(query), np.concatenate(model)
    if gathered.query.size == 0:
        raise CorruptData(source.name, "holds no rows", "Give a row for every query and model")
    _check_columns(source.name, source.columns or seen, names)
    gathered.numbers = {kind: np.concatenate(parts) for kind, parts in numbers.items()}
    return gathered


def _wanted(names: ColumnNames) -> Wanted:
    """Raises `SettingsError` for a column that would have to be a text and a number at once."""
    texts = {"query_id", "model", names.of("task"), "query", "group"} | ({names.split} if names.split else set())
    numbers = {names.of(kind) for kind in RANGES} - {"response"}
    both = texts & {*numbers, "response"}
    if both:
        raise SettingsError(
            "columns", f"{min(both)!r} is asked for in two meanings", "Name a column of its own for each"
        )
    return Wanted(texts, numbers, {"response"})


def _check_columns(name: str, columns: tuple[str, ...] | set[str], names: ColumnNames) -> None:
    """`columns`: all there are, in order; as a set, those of the columns read that were met."""
    some = "Of the columns read here it has" if isinstance(columns, set) else "It has"
    holds = f"{some} {', '.join(sorted(columns) if isinstance(columns, set) else columns) or 'none'}"
    for column in REQUIRED:
        if column not in columns:
            raise DataError(name, f"has no column {column!r}", f"{', '.join(REQUIRED)} are required. {holds}")
    for key in ("task", "split", "confidence"):
        column = getattr(names, key)
        if column is not None and column not in columns:
            raise SettingsError(f"{key}_column", f"{name} has no column {column!r}", holds)


def _queries(gathered: Gathered, batch: Batch, names: ColumnNames) -> NDArray[np.int64]:
    """Of each row: the position of its (task, id), which is given here to those not met before."""
    ids = _required(gathered.name, batch, "query_id")
    tasks = batch.texts.get(names.of("task"), Coded(np.full(batch.n, -1), ()))
    of_task = (DEFAULT_TASK, *tasks.values)
    pairs = ids.codes * len(of_task) + tasks.codes + 1
    distinct, inverse = np.unique(pairs, return_inverse=True)
    found = [
        gathered.queries.setdefault((of_task[p % len(of_task)], ids.values[p // len(of_task)]), len(gathered.queries))
        for p in distinct.tolist()
    ]
    return np.array(found, dtype=np.int64)[inverse]


def _required(subject: str, batch: Batch, column: str) -> Coded:
    coded = batch.texts.get(column, Coded(np.full(batch.n, -1), ()))
    absent = np.flatnonzero(coded.codes < 0)
    if absent.size:
        where = at_row(subject, batch.first_row + int(absent[0]), column)
        raise DataError(where, "is empty", "Every row needs the id of its query and the name of its model")
    return coded


def _positions(known: dict[str, int], coded: Coded) -> NDArray[np.int64]:
    found = [known.setdefault(value, len(known)) for value in coded.values]
    return np.array(found, dtype=np.int64)[coded.codes]


def _numbers(subject: str, batch: Batch, kind: str, column: str) -> FloatArray:
    values = batch.numbers.get(column)
    if values is None:
        return np.full(batch.n, np.nan)
    allowed = RANGES[kind]
    bad = np.flatnonzero(allowed.outside(values))
    if bad.size:
        where = at_row(subject, batch.first_row + int(bad[0]), column)
        raise DataError(where, f"is {values[bad[0]]:g}", allowed.remedy)
    return np.clip(values, 0.0, allowed.high)


def _note_attributes(gathered: Gathered, batch: Batch, query: NDArray[np.int64], names: ColumnNames) -> None:
    for position, text in _said(batch, "query", query):
        before = gathered.texts.setdefault(position, text)
        if before != text:
            gathered.differing.add(position)
            gathered.texts[position] = min(before, text)
    for column, known in (("group", gathered.groups), (names.split, gathered.splits)):
        for position, value in _said(batch, column, query):
            if known.setdefault(position, value) != value:
                query_id = next(id_ for (_, id_), at in gathered.queries.items() if at == position)
                problem = f"query {query_id!r} has {min(known[position], value)!r} and {max(known[position], value)!r}"
                raise DataError(f"{gathered.name}, column {column}", problem, "Give all rows of a query the same value")


def _said(batch: Batch, column: str | None, query: NDArray[np.int64]) -> list[tuple[int, str]]:
    """The distinct (position of a query, value) in a batch."""
    coded = batch.texts.get(column or "")
    if coded is None or not coded.values:
        return []
    given = coded.codes >= 0
    pairs = np.unique(query[given] * len(coded.values) + coded.codes[given])
    return [(p // len(coded.values), coded.values[p % len(coded.values)]) for p in pairs.tolist()]
