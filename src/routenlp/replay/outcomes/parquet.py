"""Recordings as parquet, read batch by batch and only in the columns wanted. Needs the extra `backtest`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.errors import CorruptData, DataError, MissingData, SettingsError
from routenlp.replay.outcomes.batches import ROWS, Batch, Coded, Wanted, from_values
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """One parquet file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in its schema."""
        with self._opened(()) as file:
            names = tuple(file.schema_arrow.names)
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise DataError(self.name, f"two columns are called {min(twice)!r}", "Name every column once")
        return names

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """See `Source`."""
        columns = [name for name in self.columns if name in wanted.names]
        with self._opened([name for name in columns if name in wanted.texts]) as file:
            first_row = 1
            for records in file.iter_batches(batch_size=ROWS, columns=columns, use_threads=False):
                yield self._batch(dict(zip(records.schema.names, records.columns, strict=True)), first_row, wanted)
                first_row += records.num_rows

    def _batch(self, columns: dict[str, Any], first_row: int, wanted: Wanted) -> Batch:
        """What is stored as text or number is read as arrays; any other type value by value."""
        n = len(next(iter(columns.values()), ()))
        texts = {name: _coded(c) for name, c in columns.items() if name in wanted.texts and _is_text(c)}
        numbers = {
            name: _lengths(c) if name in wanted.lengths else _floats(c)
            for name, c in columns.items()
            if (name in wanted.lengths and _is_text(c)) or (name in wanted.numbers and _is_number(c))
        }
        rest = {name: c.to_pylist() for name, c in columns.items() if name not in {*texts, *numbers}}
        others = from_values(self.name, first_row, rest, wanted)
        return Batch(first_row, n, texts | dict(others.texts), numbers | dict(others.numbers))

    @contextmanager
    def _opened(self, texts: Any) -> Iterator[Any]:
        """The file; `texts` come as dictionaries, so that a text that many rows share is held once."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as exc:
            raise SettingsError(self.name, "pyarrow is not installed", "Install routenlp[backtest]") from exc
        try:
            with pq.ParquetFile(self.path, read_dictionary=list(texts), pre_buffer=False) as file:
                yield file
        except FileNotFoundError as exc:
            raise MissingData(self.name, "there is no such file", "Name a file of recorded outcomes") from exc
        except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
            problem = f"is not a whole parquet file: {exc}"
            raise CorruptData(self.name, problem, "Write the file again: it was altered or cut short") from exc


def _is_text(column: Any) -> bool:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _is_number(column: Any) -> bool:
    import pyarrow as pa

    kind = column.type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _lengths(column: Any) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _floats(pc.utf8_length(column.cast(pa.large_string())))


def _floats(column: Any) -> FloatArray:
    import pyarrow as pa

    return np.array(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _coded(column: Any) -> Coded:
    """Codes count up from 0 in the batch, though the file's dictionary may be longer."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used, codes = np.unique(codes, return_inverse=True)
    values = column.dictionary.cast(pa.large_string()).take(pa.array(used[used >= 0])).to_pylist()
    empty = np.array([-1 if value in ("", None) else i for i, value in enumerate(values)], dtype=np.int64)
    positions = np.concatenate([[-1], empty]) if used.size and used[0] < 0 else empty
    return Coded(positions[codes] if positions.size else codes.astype(np.int64), tuple(v or "" for v in values))
