"""Reads preferences from files and from feedback; a judge's verdicts are read by `grading.verdicts`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import CorruptData, DataError, MissingData, SettingsError
from routenlp.grading.preferences import Preference, check_preference

_REQUIRED = ("query_id", "tier_a", "tier_b", "winner")
_REMEDY = "Write the file again: it was altered or cut short"


def read_preferences(path: Path, tiers: Sequence[str]) -> tuple[Preference, ...]:
    """Every row of a file: .jsonl (an object a line) or .csv (with a header line), plain or .gz.

    Keys are those of `grading.preferences.check_preference`. Raises `SettingsError` for another kind of file,
    `MissingData` where there is none, `CorruptData` where it cannot be read, and `DataError` for the first bad row.
    """
    return tuple(check_preference(row, where, tiers) for where, row in _rows(path))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    kind = path.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
    if kind not in _READERS:
        raise SettingsError(str(path), f"is a {kind!r} file", "Give preferences as .jsonl or .csv, plain or .gz")
    try:
        text = _text(path)
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", "Name a file of preferences") from exc
    except (OSError, EOFError, UnicodeDecodeError) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", _REMEDY) from exc
    return _READERS[kind](str(path), text)


@dataclass(frozen=True, slots=True)
class ComparedQuery:
    """What a file says of a query beside the preference."""

    task: str | None
    text: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Preferences with what their rows say of their queries, both in the order of the file."""

    preferences: tuple[Preference, ...]
    queries: tuple[ComparedQuery, ...]


def read_compared(path: Path, tiers: Sequence[str]) -> Compared:
    """As `read_preferences`, with the texts `query`, `task` and `group` where rows have them."""
    rows = list(_rows(path))
    said = (ComparedQuery(*(_said(row, key, where) for key in ("task", "query", "group"))) for where, row in rows)
    return Compared(tuple(check_preference(row, where, tiers) for where, row in rows), tuple(said))


def _said(row: Mapping[str, object], key: str, where: str) -> str | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise DataError(f"{where}, {key}", f"is {value!r}", "Give it as a text, or leave it out")
    return value


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("utf-8-sig")


def _json_lines(name: str, text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise CorruptData(where, f"is not JSON: {exc}", _REMEDY) from exc
        if not isinstance(row, dict):
            raise CorruptData(where, f"is {line[:60]!r}, expected an object", _REMEDY)
        yield where, row


def _csv(name: str, text: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [key for key in _REQUIRED if key not in (rows.fieldnames or ())]
    if missing:
        raise DataError(name, f"has no column {missing[0]!r}", f"Give the columns {', '.join(_REQUIRED)}")
    try:
        for number, row in enumerate(rows, start=1):
            where = f"{name}, row {number}"
            if None in row or None in row.values():
                raise CorruptData(where, "has not as many fields as the header", _REMEDY)
            yield where, row
    except csv.Error as exc:
        raise CorruptData(name, f"cannot be read: {exc}", _REMEDY) from exc


_READERS = {"jsonl": _json_lines, "csv": _csv}


def preferences_from_feedback(records: Iterable[Mapping[str, object]], tiers: Sequence[str]) -> tuple[Preference, ...]:
    """Of feedback records those of `kind` "preference", with the keys that a file's rows have.

    Records of other kinds (score, label, correction) say nothing about two answers and are passed over. A record
    with an `id` that came before replaces the earlier one, so that feedback may be sent twice. Feedback is what users
    chose to send: it may train, and never calibrates. Raises `DataError` as `check_preference` does.
    """
    kept: dict[str, Preference] = {}
    for number, record in enumerate(records, start=1):
        if record.get("kind") == "preference":
            key = f"id {record['id']}" if record.get("id") is not None else f"number {number}"
            kept[key] = check_preference(record, f"feedback {key}", tiers)
    return tuple(kept.values())
