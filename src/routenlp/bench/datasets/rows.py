"""The row format of all labelled data: gzipped JSON lines, checked field by field."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from routenlp.errors import CorruptData
from routenlp.grading.entities import Entity, to_text

RESTORE = "Restore the file from its source"
SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a query with its reference, as the file has it."""

    task: str
    split: str
    id: str
    group: str
    text: str
    target: str
    """A label, a text, or entities as canonical JSON."""
    source: str


def read_rows(content: bytes, *, subject: str, task: str, entities: bool) -> Iterator[Row]:
    """The rows of one gzipped file, one at a time. `entities`: targets are lists of {type, text}.

    Raises `CorruptData` naming `subject`, the line and the value.
    """
    number = 0
    try:
        with gzip.open(io.BytesIO(content), "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                yield _row(line, subject=f"{subject}, line {number}", task=task, entities=entities)
    except EOFError as exc:
        raise CorruptData(subject, f"the gzip stream is truncated after line {number}", RESTORE) from exc
    except UnicodeDecodeError as exc:
        raise CorruptData(subject, f"is not UTF-8 after line {number}: {exc}", RESTORE) from exc
    except (gzip.BadGzipFile, zlib.error) as exc:
        raise CorruptData(subject, f"is not a gzip file after line {number}: {exc}", RESTORE) from exc


def write_rows(rows: Iterable[Row]) -> bytes:
    """The gzipped file with these rows; labels and texts only. The same rows give the same bytes."""
    lines = (json.dumps({name: getattr(row, name) for name in Row.__slots__}) + "\n" for row in rows)
    return gzip.compress("".join(lines).encode(), mtime=0)


def _row(line: str, *, subject: str, task: str, entities: bool) -> Row:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise CorruptData(subject, f"is not JSON ({exc}): {line[:60]!r}", RESTORE) from exc
    if not isinstance(fields, dict):
        raise CorruptData(subject, f"is not a JSON object: {line[:60]!r}", RESTORE)
    row = Row(
        task=_text(fields, "task", subject),
        split=_text(fields, "split", subject),
        id=_text(fields, "id", subject),
        group=_text(fields, "group", subject),
        text=_text(fields, "text", subject, empty=True),
        target=_entities(fields, subject) if entities else _text(fields, "target", subject),
        source=_text(fields, "source", subject),
    )
    if row.task != task:
        raise CorruptData(subject, f"task is {row.task!r}, expected {task!r}", "Put the file under its task's name")
    if row.split not in SPLITS:
        raise CorruptData(subject, f"split is {row.split!r}, expected train or test", RESTORE)
    return row


def _text(fields: dict[str, object], key: str, subject: str, *, empty: bool = False) -> str:
    value = _value(fields, key, subject)
    if not isinstance(value, str) or not (value or empty):
        wanted = "text" if empty else "text that is not empty"
        raise CorruptData(subject, f"{key} is {_shown(value)}, expected {wanted}", RESTORE)
    return value


def _entities(fields: dict[str, object], subject: str) -> str:
    value = _value(fields, "target", subject)
    if not isinstance(value, list):
        raise CorruptData(subject, f"target is {_shown(value)}, expected a list of entities", RESTORE)
    return to_text(_entity(item, subject) for item in value)


def _entity(item: object, subject: str) -> Entity:
    if isinstance(item, dict):
        kind, text = item.get("type"), item.get("text")
        if isinstance(kind, str) and isinstance(text, str):
            return Entity(kind, text)
    raise CorruptData(subject, f"target holds {_shown(item)}, expected {{type, text}}", RESTORE)


def _value(fields: dict[str, object], key: str, subject: str) -> object:
    if key not in fields:
        raise CorruptData(subject, f"has no key {key!r}", RESTORE)
    return fields[key]


def _shown(value: object) -> str:
    return repr(value)[:60]
