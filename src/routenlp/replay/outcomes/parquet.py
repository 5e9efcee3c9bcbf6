"""Recordings as parquet, read batch by batch and only in the columns wanted. Needs the extra `backtest`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.errors import CorruptData, DataError, MissingData, SettingsError
from routenlp.replay.outcomes.batches import ROWS, Batch, Coded, Wanted, to_numbers
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
                found = dict(zip(records.schema.names, records.columns, strict=True))
                yield Batch(
                    first_row,
                    records.num_rows,
                    {name: _coded(c) for name, c in found.items() if name in wanted.texts},
                    {
                        name: self._numbers(name, c, wanted, first_row)
                        for name, c in found.items()
                        if name not in wanted.texts
                    },
                )
                first_row += records.num_rows

    def _numbers(self, name: str, column: Any, wanted: Wanted, first_row: int) -> FloatArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = column.type
        if name in wanted.lengths:
            column = pc.utf8_length(column.cast(pa.large_string()))
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            return to_numbers(column.to_pylist(), subject=self.name, column=name, first_row=first_row)
        return np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)

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
