"""Which queries belong together where the recording does not say so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VARIANT = re.compile(r"(?<![A-Za-z0-9])(?:first|second|third|original|paraphrase)(?![A-Za-z0-9])")
"""A part of an id that tells one phrasing of a question from another."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A group for each query."""

    groups: tuple[str, ...]
    note: str | None = None
    """What was derived, in words; None where nothing was."""


def group_queries(queries: Sequence[tuple[str, str]], recorded: Mapping[int, str]) -> Grouping:
    """The recorded group of each (task, id), by position; else its own id.

    Where no group is recorded at all, ids of one task that differ only in a word for the phrasing (`arc-first-17`,
    `arc-second-17`) are one group, `arc-*-17`: they ask the same question, so one tells the answer to the other.
    """
    if recorded:
        return Grouping(tuple(recorded.get(at, id_) for at, (_, id_) in enumerate(queries)))
    stems = [_stem(id_) for _, id_ in queries]
    shared = Counter((task, stem) for (task, _), stem in zip(queries, stems, strict=True) if stem is not None)
    groups = tuple(
        stem if stem is not None and shared[task, stem] > 1 else id_
        for (task, id_), stem in zip(queries, stems, strict=True)
    )
    pairs = sum(1 for count in shared.values() if count > 1)
    if not pairs:
        return Grouping(groups)
    example = min(stem for (_, stem), count in shared.items() if count > 1)
    note = (
        f"There is no column `group`, and {pairs:,} sets of ids differ only in the phrasing they name ({example}): "
        f"each set is one group, so that no fold separates two phrasings of one question."
    )
    return Grouping(groups, note)


def _stem(id_: str) -> str | None:
    """The id with `*` for its phrasing; None where it names none, or more than one."""
    stem, found = VARIANT.subn("*", id_)
    return stem if found == 1 else None
