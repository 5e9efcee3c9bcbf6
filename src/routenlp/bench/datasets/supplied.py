"""What a data set supplies for one task, and the fixed sample that short runs take of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from routenlp.types import Example, Task

SALT = "routenlp/sample/1"
"""Changes when the sample would; a figure on a sample names the rows by this and the seed."""


@dataclass(frozen=True, slots=True)
class SuppliedSplit:
    """One task's rows as upstream split them. `test` becomes the test fold; the folds cut `train` by group."""

    task: Task
    train: tuple[Example, ...]
    test: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class SampleSize:
    """At most this many rows of either part."""

    train: int = 1500
    test: int = 300


DEMO_SIZE = SampleSize()
DEMO_SIZES: Mapping[str, SampleSize] = MappingProxyType({"fin_summarisation": SampleSize(train=48, test=12)})
"""Where the demo takes less than `DEMO_SIZE`: transcripts are 2,800 words each."""


def sample(supplied: SuppliedSplit, *, train: int = 1500, test: int = 300, seed: int = 0) -> SuppliedSplit:
    """The rows with the smallest SHA-256 of salt, seed and id, in the order supplied; all rows where there are fewer.

    Rows are drawn within groups, so that every large group stays represented (40 companies, not 6); a group still
    never gets into the other part, because the parts are sampled apart.
    """
    return replace(
        supplied,
        train=_smallest(supplied.train, train, seed),
        test=_smallest(supplied.test, test, seed),
    )


def demo_sample(supplied: SuppliedSplit, *, seed: int = 0) -> SuppliedSplit:
    """`sample` at the size stated for the task: 1,500 + 300 rows, or 48 + 12 transcripts."""
    size = DEMO_SIZES.get(supplied.task.name, DEMO_SIZE)
    return sample(supplied, train=size.train, test=size.test, seed=seed)


def _smallest(examples: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    if len(examples) <= limit:
        return tuple(examples)
    order = sorted(range(len(examples)), key=lambda i: _digest(examples[i].query.id, seed))
    return tuple(examples[i] for i in sorted(order[:limit]))


def _digest(row_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{SALT}\0{seed}\0{row_id}".encode("utf-8", "surrogatepass")).digest()
