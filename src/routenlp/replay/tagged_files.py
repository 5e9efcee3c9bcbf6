"""Reads tagged texts from files: JSON lines or CSV, perhaps gzipped, with `text` (or `query`), `task` and `group`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from routenlp.errors import CorruptData, MissingData
from routenlp.replay.task_training import Tagged
from routenlp.types import Query


def read_tagged(paths: Iterable[Path]) -> list[Tagged]:
    """All rows of all files. Without a `group` equal texts are one.

    Raises `MissingData` and `CorruptData` that name the file and line.
    """
    return [_tagged(f"{path}, row {at}", row) for path in paths for at, row in enumerate(_rows(path), start=1)]


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    text = _text(path)
    if ".csv" in path.suffixes:
        yield from csv.DictReader(io.StringIO(text))
        return
    for at, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise CorruptData(f"{path}, line {at}", "is not JSON", "Give one object a line.") from exc
        if not isinstance(row, dict):
            raise CorruptData(f"{path}, line {at}", "is no object", 'Write {"text": ..., "task": ...}.')
        yield row


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except OSError as exc:
        raise MissingData(str(path), f"cannot be read ({exc})", "Name a file of tagged texts.") from exc
    except (UnicodeDecodeError, EOFError) as exc:
        raise CorruptData(str(path), "is not whole UTF-8", "Give JSON lines or CSV, perhaps gzipped.") from exc


def _tagged(where: str, row: Mapping[str, object]) -> Tagged:
    text, task, group = row.get("text", row.get("query")), row.get("task"), row.get("group")
    if not isinstance(text, str) or not isinstance(task, str) or not task:
        raise CorruptData(where, "has no text or no task", 'Write {"text": ..., "task": ...}.')
    return Tagged(Query(where, task, text), f"text\0{text}" if group in (None, "") else f"group\0{group}")
