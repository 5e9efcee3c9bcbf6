"""Some rows of a recording, column by column, in the one form that every file format is brought into."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError
from routenlp.types import FloatArray

ROWS = 65_536
"""Of a batch: enough to compute on arrays, few enough that the texts of one take some 100 MB at the most."""

BOOLEANS = {"true": "1", "false": "0"}
"""As other programs write them into a CSV file."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of texts: each row's position in `values`, or -1 where it has none."""

    codes: NDArray[np.int64]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read. Whatever else a recording holds is not looked at."""

    texts: Collection[str]
    numbers: Collection[str]
    lengths: Collection[str]
    """Columns of texts of which only the length in characters is wanted, as a number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every column, sorted."""
        return tuple(sorted({*self.texts, *self.numbers, *self.lengths}))


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows. Holds the wanted columns that were found in them."""

    first_row: int
    """Number of its first row, the recording's first being 1."""
    n: int
    texts: Mapping[str, Coded]
    numbers: Mapping[str, FloatArray]
    """NaN where a row has no value."""


class Source(Protocol):
    """A recording that can be read once, in batches."""

    @property
    def name(self) -> str:
        """For messages: the file's path."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """What it holds, where it says so in advance (JSON lines do not)."""
        ...

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """Its rows. Raises `CorruptData` where it cannot be read, `DataError` for a value of the wrong type."""
        ...


def from_values(subject: str, first_row: int, columns: Mapping[str, Sequence[object]], wanted: Wanted) -> Batch:
    """A batch from columns of Python values, all of one length. None, NaN and the empty string are no value."""
    texts, numbers = {}, {}
    for name, values in columns.items():
        if name in wanted.texts:
            texts[name] = _coded([_text(v) for v in values])
        elif name in wanted.lengths:
            numbers[name] = np.array([_length(v) for v in values], dtype=np.float64)
        elif name in wanted.numbers:
            numbers[name] = to_numbers(values, subject=subject, column=name, first_row=first_row)
    return Batch(first_row, len(next(iter(columns.values()), ())), texts, numbers)


def to_numbers(values: Sequence[object], *, subject: str, column: str, first_row: int) -> FloatArray:
    """Numbers, booleans (0 or 1) and texts that spell one; NaN for no value. Raises `DataError` for anything else."""
    try:
        at_once = np.array([None if v == "" else v for v in values], dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        return _one_by_one(values, subject, column, first_row)
    return at_once if at_once.ndim == 1 else _one_by_one(values, subject, column, first_row)


def _one_by_one(values: Sequence[object], subject: str, column: str, first_row: int) -> FloatArray:
    found = np.empty(len(values))
    for i, value in enumerate(values):
        try:
            found[i] = _number(value)
        except (TypeError, ValueError, OverflowError) as exc:
            where, problem = at_row(subject, first_row + i, column), f"is {_shown(value)}, expected a number"
            raise DataError(where, problem, "Give a number, or leave it empty") from exc
    return found


def at_row(subject: str, row: int, column: str) -> str:
    """Where a value stands, for messages."""
    return f"{subject}, row {row}, column {column}"


def _coded(values: Sequence[str | None]) -> Coded:
    known: dict[str, int] = {}
    codes = [-1 if v is None else known.setdefault(v, len(known)) for v in values]
    return Coded(np.array(codes, dtype=np.int64), tuple(known))


def _text(value: object) -> str | None:
    if value is None or value == "" or _is_nan(value):
        return None
    return value if isinstance(value, str) else str(value)


def _length(value: object) -> float:
    return float("nan") if value is None or _is_nan(value) else float(len(str(value)))


def _number(value: object) -> float:
    if value is None or value == "":
        return float("nan")
    if isinstance(value, str):
        return float(BOOLEANS.get(value.strip().lower(), value))
    return float(value)  # type: ignore[arg-type]  # what cannot be converted raises TypeError


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: object) -> str:
    return repr(value)[:60]
