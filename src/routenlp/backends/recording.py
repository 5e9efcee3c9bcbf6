"""A recording of answers, found by the query's id or by what it says."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from routenlp.errors import CorruptData, MissingData
from routenlp.types import Query, Turn


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the file: a query and the answer to it."""

    id: str
    task: str
    text: str
    answer: str
    metadata: dict[str, str] = {}
    turns: list[Turn] = []
    token_probs: list[float] = []
    """Of the answer's tokens, where a model wrote it."""
    tokens: tuple[int, int] | None = None
    """That it read and wrote; None: they are counted."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What was recorded of one answer."""

    text: str
    token_probs: tuple[float, ...] | None = None
    tokens: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    metadata: Mapping[str, str]
    said: RecordedAnswer


_ROW = msgspec.json.Decoder(Row)


class Recording:
    """Answers to queries that were asked before. Texts are kept as hashes, answers as they are."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_id: dict[tuple[str, str], _Known] = {}
        self._by_text: dict[bytes, list[_Known]] = {}
        for row in rows:
            known = _Known(row.metadata, RecordedAnswer(row.answer, tuple(row.token_probs) or None, row.tokens))
            self._by_id[row.task, row.id] = known
            self._by_text.setdefault(_said(row.task, row.text, row.turns), []).append(known)

    def __len__(self) -> int:
        """How many queries it knows."""
        return len(self._by_id)

    def find(self, query: Query) -> RecordedAnswer | None:
        """The answer to the query of this id; for an id that is not known, or none, to the same words in the same task.

        Where several queries said the same, those count whose metadata the query repeats. None where none does, or
        where they were answered differently: which of them is meant cannot be told.
        """
        known = self._by_id.get((query.task, query.id))
        if known is not None:
            return known.said
        alike = self._by_text.get(_said(query.task, query.text, query.turns), [])
        meant = [row for row in alike if row.metadata.items() <= query.metadata.items()]
        answers = {row.said for row in meant or (alike if not query.metadata else [])}
        return answers.pop() if len(answers) == 1 else None


def read_recording(path: Path) -> Recording:
    """From JSON lines, plain or gzipped. Raises what `read_rows` does."""
    return Recording(read_rows(path))


def write_recording(path: Path, rows: Iterable[Row]) -> None:
    """As JSON lines; gzipped where the name ends in .gz."""
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    path.write_bytes(gzip.compress(lines, mtime=0) if path.suffix == ".gz" else lines)


def read_rows(path: Path) -> Iterator[Row]:
    """Line by line. Raises `MissingData`, and `CorruptData` that names the line."""
    try:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", "Name a recording, as JSON lines.") from exc
    except (OSError, EOFError) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", "Name JSON lines, plain or gzipped.") from exc
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _ROW.decode(line)
            except (msgspec.DecodeError, RecursionError) as exc:
                raise CorruptData(
                    f"{path}, line {number}", f"is no recorded answer ({exc})", "Give id, task, text and answer."
                ) from exc


def _said(task: str, text: str, turns: Iterable[Turn]) -> bytes:
    said = msgspec.json.encode([task, text, [[turn.role, turn.text] for turn in turns]])
    return hashlib.sha256(said).digest()
