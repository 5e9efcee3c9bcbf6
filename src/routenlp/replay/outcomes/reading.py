"""Recorded outcomes from a file or a frame, as one complete table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError, SettingsError
from routenlp.replay.outcomes.batches import Source
from routenlp.replay.outcomes.cleaning import Rows, cost_kind, only_models, price, without_repeats, without_ungraded
from routenlp.replay.outcomes.coverage import complete
from routenlp.replay.outcomes.frames import Frame
from routenlp.replay.outcomes.gather import ColumnNames, Gathered, gather
from routenlp.replay.outcomes.groups import group_queries
from routenlp.replay.outcomes.parquet import ParquetFile
from routenlp.replay.outcomes.prices import GivenCost, prices_from, read_prices
from routenlp.replay.outcomes.table import Dropped, OutcomeTable
from routenlp.replay.outcomes.text_files import CsvFile, JsonLines
from routenlp.types import FloatArray

FORMATS: Mapping[str, Callable[[Path], Source]] = MappingProxyType(
    {
        ".parquet": ParquetFile,
        ".csv": CsvFile,
        ".csv.gz": CsvFile,
        ".jsonl": JsonLines,
        ".jsonl.gz": JsonLines,
    }
)
"""By how a file's name ends."""
SPLITS: Mapping[str, bool] = MappingProxyType(
    {"train": False, "validation": False, "val": False, "dev": False, "test": True}
)
"""What a split column may say, and whether it means held out."""


def read_outcomes(
    source: str | Path | object,
    *,
    models: Sequence[str] | None = None,
    costs: Mapping[str, float] | None = None,
    prices: str | Path | Mapping[str, object] | None = None,
    task_column: str | None = None,
    split_column: str | None = None,
    confidence_column: str | None = None,
) -> OutcomeTable:
    """The table that `source` holds: a file (`FORMATS`), a pandas or polars frame, or a dict of columns.

    `models`: keep these and no other; none of them is then dropped for answering few queries. `costs`: USD per query
    by model. `prices`: a YAML file, or what one holds (`prices.prices_from`); `costs` win. `split_column`: its
    `test` rows are held out; without it no split is assumed.
    The same rows in any order give the same table. Raises `MissingData`, `CorruptData` and `DataError`, which name
    file, row, column and value, and `SettingsError` for an argument that does not fit the data. docs/outcomes.md
    has the format and each rule by which rows, queries and models are dropped.
    """
    opened = open_source(source)
    given = _given(costs, prices, recording_of(source))
    gathered = gather(opened, ColumnNames(task_column, split_column, confidence_column))
    _check_known(costs or {}, gathered)
    rows = Rows(
        gathered.name,
        tuple(gathered.queries),
        tuple(gathered.models),
        gathered.query,
        gathered.model,
        gathered.numbers,
    )
    rows = price(without_repeats(without_ungraded(only_models(rows, models))), given)
    rows = _naming_the_rest(complete(rows, keep_models=models is not None), gathered)
    return _table(rows, gathered, with_split=split_column is not None)


def open_source(source: str | Path | object) -> Source:
    """What reads `source`. Raises `DataError` for a file of another format."""
    if not isinstance(source, str | Path):
        return Frame(source)
    path = Path(source)
    for ending in sorted(FORMATS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return FORMATS[ending](path)
    raise DataError(str(path), "is of no known format", f"Give a file that ends in {', '.join(FORMATS)}")


def recording_of(source: str | Path | object) -> str | None:
    """A file's name without its endings, which is the name of its section in a price file; None for a frame."""
    return Path(source).name.split(".")[0] if isinstance(source, str | Path) else None


def _given(
    costs: Mapping[str, float] | None, prices: str | Path | Mapping[str, object] | None, recording: str | None
) -> dict[str, GivenCost]:
    listed: dict[str, GivenCost] = {}
    if isinstance(prices, str | Path):
        listed = read_prices(Path(prices), recording)
    elif prices is not None:
        listed = prices_from(prices, recording)
    return listed | prices_from(dict(costs or {}), None, subject="costs")


def _check_known(costs: Mapping[str, float], gathered: Gathered) -> None:
    unknown = sorted(set(costs) - set(gathered.models))
    if unknown:
        remedy = f"Use names out of {', '.join(sorted(gathered.models))}"
        raise SettingsError("costs", f"{gathered.name} has no model {unknown[0]!r}", remedy)


def _naming_the_rest(rows: Rows, gathered: Gathered) -> Rows:
    """Models that went because all their rows did are named too."""
    count = np.bincount(gathered.model, minlength=len(rows.models))
    named = {dropped.what for dropped in rows.dropped} | {f"model {rows.models[m]}" for m in rows.present()}
    why = "none of its rows is left after the drops above"
    for position in sorted(range(len(rows.models)), key=lambda m: rows.models[m]):
        what = f"model {rows.models[position]}"
        if what not in named:
            rows = rows.noting(Dropped(what, int(count[position]), why))
    return rows


def _table(rows: Rows, gathered: Gathered, *, with_split: bool) -> OutcomeTable:
    chosen = sorted(np.unique(rows.query).tolist(), key=lambda q: rows.queries[q])
    at_query, at_model = _inverse(chosen, len(rows.queries)), _inverse(rows.present(), len(rows.models))
    names = [rows.models[m] for m in rows.present()]

    def matrix(kind: str) -> FloatArray:
        filled = np.full((len(chosen), len(names)), np.nan)
        filled[at_query[rows.query], at_model[rows.model]] = rows.numbers[kind]
        return filled

    queries = [rows.queries[q] for q in chosen]
    grouping = group_queries(queries, _by_row(gathered.groups, chosen))
    tokens, read = matrix("output_tokens"), matrix("input_tokens")
    table = OutcomeTable(
        models=tuple(names),
        ids=tuple(id_ for _, id_ in queries),
        tasks=tuple(task for task, _ in queries),
        groups=grouping.groups,
        texts=tuple(gathered.texts.get(q, "") for q in chosen) if gathered.texts else None,
        held_out=_held_out(gathered, chosen) if with_split else None,
        quality=matrix("quality"),
        cost_usd=matrix("cost_usd"),
        confidence=matrix("confidence"),
        latency_s=matrix("latency_ms") / 1e3,
        answer_length=matrix("response") if np.isnan(tokens).all() else tokens,
        cost_kind=cost_kind(rows),
        dropped=rows.dropped,
        input_tokens=None if np.isnan(read).all() else read,
        output_tokens=None if np.isnan(tokens).all() else tokens,
        incomplete=rows.incomplete,
    )
    differing = len(gathered.differing.intersection(chosen))
    gone = sorted({task for task, _ in rows.queries} - set(table.tasks))
    return _in_order_of_cost(table, rows, _notes(table, grouping.note, differing, gone))


def _in_order_of_cost(table: OutcomeTable, rows: Rows, notes: tuple[str, ...]) -> OutcomeTable:
    mean = table.mean_cost_usd
    if not mean.max() > 0.0:
        raise rows.unusable("every model costs 0", "Give costs with --cost or --prices: there is nothing to save")
    order = sorted(range(len(table.models)), key=lambda k: (mean[k], table.models[k]))
    return replace(table.with_models([table.models[k] for k in order]), notes=notes)


def _inverse(chosen: Sequence[int], size: int) -> NDArray[np.int64]:
    positions = np.full(size, -1, dtype=np.int64)
    positions[list(chosen)] = np.arange(len(chosen))
    return positions


def _by_row(known: Mapping[int, str], chosen: Sequence[int]) -> dict[int, str]:
    return {at: known[q] for at, q in enumerate(chosen) if q in known}


def _held_out(gathered: Gathered, chosen: Sequence[int]) -> NDArray[np.bool_]:
    queries = tuple(gathered.queries)
    for q in chosen:
        if gathered.splits.get(q) not in SPLITS:
            problem = f"query {queries[q][1]!r} has {gathered.splits.get(q)!r} for its split"
            raise SettingsError("split_column", problem, f"Name a column that says {', '.join(SPLITS)}")
    return np.array([SPLITS[gathered.splits[q]] for q in chosen], dtype=np.bool_)


def _notes(table: OutcomeTable, grouped: str | None, differing: int, gone: Sequence[str]) -> tuple[str, ...]:
    constant = ", ".join(table.constant_confidence)
    absent = ", ".join(f"{count:,} of {model}'s {table.n:,}" for model, count in table.absent_confidence.items())
    notes = (
        grouped,
        f"Of {', '.join(gone)} no query is kept. Name --tiers that answered them, to keep them." * bool(gone),
        f"{differing:,} queries have rows with different texts: the first in alphabetical order is taken."
        * bool(differing),
        f"The confidence of {constant} is the same for every query and tells nothing." * bool(constant),
        f"No confidence came with {absent} answers: they are kept, and judged without one." * bool(absent),
    )
    return tuple(note for note in notes if note)
