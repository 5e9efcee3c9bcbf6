"""Small recordings, as rows, and written in every format."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from routenlp.replay.outcomes.table import OutcomeTable

Row = dict[str, Any]


def row(query_id: str, model: str, quality: float | None = 1.0, **columns: Any) -> Row:
    return {"query_id": query_id, "model": model, "quality": quality, "cost_usd": 0.01, **columns}


def rows(queries: int, *models: str, **columns: Any) -> list[Row]:
    """Every model answers every query; models cost 1, 2, 3, ... and are better the dearer they are."""
    return [
        row(f"q{i}", model, float(i % (len(models) + 1) <= k), cost_usd=float(k + 1), **columns)
        for i in range(queries)
        for k, model in enumerate(models)
    ]


def columns(recorded: Sequence[Row]) -> dict[str, list[Any]]:
    """As a frame: a column for every key, None where a row lacks it."""
    names = dict.fromkeys(name for one in recorded for name in one)
    return {name: [one.get(name) for one in recorded] for name in names}


def write(path: Path, recorded: Sequence[Row]) -> Path:
    """In the format that the name of the file asks for."""
    WRITERS[path.name.split(".")[1]](path, recorded)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    return path


def _csv(path: Path, recorded: Sequence[Row]) -> None:
    table = columns(recorded)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


def _jsonl(path: Path, recorded: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in recorded), encoding="utf-8")


def _parquet(path: Path, recorded: Sequence[Row]) -> None:
    pq.write_table(pa.table(columns(recorded)), path, row_group_size=5)


WRITERS: dict[str, Callable[[Path, Sequence[Row]], None]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
ENDINGS = ["parquet", "csv", "csv.gz", "jsonl", "jsonl.gz"]


def equal(left: OutcomeTable, right: OutcomeTable) -> bool:
    """Whether two tables are the same to the last bit."""
    plain = ("models", "ids", "tasks", "groups", "texts", "cost_kind", "dropped", "notes")
    arrays = ("quality", "cost_usd", "confidence", "latency_s", "answer_length")
    return all(getattr(left, name) == getattr(right, name) for name in plain) and all(
        np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True) for name in arrays
    )
