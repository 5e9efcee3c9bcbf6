"""Recordings as text: CSV with a header line, and JSON lines, both plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import CorruptData, DataError, MissingData
from routenlp.replay.outcomes.batches import Batch, Wanted, from_values

ROWS = 8_192
"""Of a batch: rows are Python values here, responses included."""
RESTORE = "Write the file again: it was altered or cut short"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """Comma-separated, quoted as spreadsheets do; the first line names the columns."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """The header."""
        with _lines(self.path, newline="") as lines, _wide_fields():
            return self._header(csv.reader(lines, strict=True))

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """See `Source`."""
        with _lines(self.path, newline="") as lines, _wide_fields():
            reader = csv.reader(lines, strict=True)
            header = self._header(reader)
            at = {name: header.index(name) for name in wanted.names if name in header}
            first_row = 1
            while rows := list(itertools.islice(self._rows(reader, first_row, len(header)), ROWS)):
                columns = {name: [row[i] for row in rows] for name, i in at.items()}
                yield from_values(self.name, first_row, columns, wanted)
                first_row += len(rows)

    def _header(self, reader: Iterator[list[str]]) -> tuple[str, ...]:
        try:
            header = next(reader, [])
        except csv.Error as exc:
            raise CorruptData(self.name, f"its header cannot be read: {exc}", RESTORE) from exc
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise DataError(self.name, f"two columns are called {min(twice)!r}", "Name every column once")
        return tuple(header)

    def _rows(self, reader: Iterator[list[str]], first_row: int, width: int) -> Iterator[list[str]]:
        number = first_row
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != width:
                    problem = f"has {len(row)} fields, and the header {width}"
                    raise CorruptData(f"{self.name}, row {number}", problem, RESTORE)
                yield row
                number += 1
        except csv.Error as exc:
            raise CorruptData(f"{self.name}, row {number}", f"cannot be read: {exc}", RESTORE) from exc


@dataclass(frozen=True, slots=True)
class JsonLines:
    """An object a line. A key that a line lacks is no value there."""

    path: Path
    columns: None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """See `Source`."""
        with _lines(self.path, newline="\n") as lines:
            objects = self._objects(lines)
            first_row = 1
            while rows := list(itertools.islice(objects, ROWS)):
                found = [name for name in wanted.names if any(name in row for row in rows)]
                columns = {name: [row.get(name) for row in rows] for name in found}
                yield from_values(self.name, first_row, columns, wanted)
                first_row += len(rows)

    def _objects(self, lines: Iterator[str]) -> Iterator[Mapping[str, object]]:
        for number, line in enumerate(lines, start=1):
            if line.isspace():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise CorruptData(f"{self.name}, line {number}", f"is not JSON: {exc}", RESTORE) from exc
            if not isinstance(value, dict):
                raise CorruptData(f"{self.name}, line {number}", f"is {line[:60]!r}, expected an object", RESTORE)
            yield value


@contextmanager
def _lines(path: Path, *, newline: str) -> Iterator[io.TextIOBase]:
    """The file's text. What goes wrong while it is read, here or in the caller's loop, is raised as ours."""
    try:
        with path.open("rb") as stored:
            plain = gzip.GzipFile(fileobj=stored) if path.suffix.lower() == ".gz" else stored
            with io.TextIOWrapper(plain, "utf-8-sig", newline=newline) as text:
                yield text
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", "Name a file of recorded outcomes") from exc
    except EOFError as exc:
        raise CorruptData(str(path), "the gzip stream is truncated", RESTORE) from exc
    except UnicodeDecodeError as exc:
        raise CorruptData(str(path), f"is not UTF-8 text: {exc}", "Save it as UTF-8") from exc
    except (gzip.BadGzipFile, zlib.error) as exc:
        raise CorruptData(str(path), f"is not a whole gzip file: {exc}", RESTORE) from exc
    except OSError as exc:
        raise DataError(str(path), f"cannot be read: {exc.strerror or exc}", "Check its type and rights") from exc


@contextmanager
def _wide_fields() -> Iterator[None]:
    """The csv module refuses fields of over 131,072 characters, which responses can be; its limit is put back."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
