"""Recordings in memory: a pandas or polars frame, an Arrow table, or a mapping from column names to sequences.

None of these libraries is imported: what is asked of a frame is the names of its columns, a column by name, a slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from routenlp.errors import DataError
from routenlp.replay.outcomes.batches import Batch, Wanted, from_values

ROWS = 8_192
SHAPE = "Give a pandas or polars frame, an Arrow table, or a dict of columns of one length"


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns by name."""

    frame: Any
    name: str = "the frame"

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names. Raises `DataError` for what has no columns, or columns of different lengths."""
        named = self.frame if isinstance(self.frame, Mapping) else self._named()
        if named is None:
            raise DataError(self.name, f"a {type(self.frame).__name__} has no columns", SHAPE)
        names = tuple(str(name) for name in named)
        try:
            lengths = {name: len(self.frame[name]) for name in names}
        except (TypeError, KeyError) as exc:
            raise DataError(self.name, f"its columns cannot be read by name: {exc}", SHAPE) from exc
        if len(set(lengths.values())) > 1:
            raise DataError(self.name, f"its columns differ in length: {lengths}", SHAPE)
        return names

    def _named(self) -> Any:
        return getattr(self.frame, "column_names", None) or getattr(self.frame, "columns", None)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """See `Source`."""
        columns = {name: self.frame[name] for name in self.columns if name in wanted.names}
        n = len(next(iter(columns.values()), ()))
        for start in range(0, n, ROWS):
            values = {name: _values(column, start, start + ROWS) for name, column in columns.items()}
            yield from_values(self.name, start + 1, values, wanted)


def _values(column: Any, start: int, end: int) -> Sequence[object]:
    """A slice as Python values; what the column's own library calls missing becomes None."""
    part = (column.iloc if hasattr(column, "iloc") else column)[start:end]
    missing = part.isna() if hasattr(part, "isna") else None
    for conversion in ("to_pylist", "to_list", "tolist"):
        if hasattr(part, conversion):
            part = getattr(part, conversion)()
            break
    if missing is None:
        return list(part)
    return [None if absent else value for value, absent in zip(part, missing, strict=True)]
