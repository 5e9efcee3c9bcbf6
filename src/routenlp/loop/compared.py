"""What two policies did with the same queries: the rows that gate, shadow and canary decide on.

The comparison is paired: each query counts with the difference of two qualities, which is 0 where both policies give
the same answer, so that little noise is left. Rows must be ones that no fit, threshold or certificate of either
policy saw: the gate fold, or audits that came after the candidate was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError
from routenlp.types import FloatArray

NO_SEGMENT = -1
_NUMBERS = ("current", "candidate", "top", "current_usd", "candidate_usd", "top_usd")
_FIELDS = ("task", "ids", "groups", *_NUMBERS, "cheap", "segments")


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Queries of one task under the policy in force and under a candidate; arrays of shape (n,)."""

    task: str
    ids: tuple[str, ...]
    """Of the queries: what a fold is known by (`delta.next_level`)."""
    groups: tuple[str, ...]
    """The exchangeable unit of each query."""
    current: FloatArray
    """Quality of what the policy in force answers, in [0, 1]."""
    candidate: FloatArray
    """Quality of what the candidate answers."""
    top: FloatArray
    """Quality of the top tier's answer."""
    current_usd: FloatArray
    """Cost, every tier called."""
    candidate_usd: FloatArray
    top_usd: FloatArray
    cheap: NDArray[np.bool_]
    """Whether the candidate's answer came from a tier under the top."""
    segments: NDArray[np.int64]
    """Part of the task's traffic that each query lies in, such as a cluster, fixed before any of these rows was graded;
    `NO_SEGMENT`: in none. Harm to a small part hides in a mean."""

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in ("groups", "current", "candidate", "top", "current_usd", "candidate_usd", "top_usd", "cheap"):
            if len(getattr(self, name)) != n:
                raise DataError(f"task {self.task!r}", f"has {n} ids and another number of {name}", "Give every row.")
        if len(self.segments) != n:
            raise DataError(f"task {self.task!r}", f"has {n} ids and another number of segments", "Give every row.")

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.ids)

    @property
    def lost(self) -> FloatArray:
        """Quality lost by changing to the candidate, row by row, in [-1, 1]; under 0: gained."""
        return np.asarray(self.current - self.candidate)

    @property
    def named_segments(self) -> tuple[int, ...]:
        """The segments that have rows, in order."""
        return tuple(int(s) for s in np.unique(self.segments) if s != NO_SEGMENT)

    def unsegmented(self) -> Compared:
        """The same rows in no segment."""
        return replace(self, segments=np.full(self.n, NO_SEGMENT, dtype=np.int64))

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Compared:
        """Some of the rows, by mask, position or slice."""
        at = np.arange(self.n)[chosen]
        arrays = ("current", "candidate", "top", "current_usd", "candidate_usd", "top_usd", "cheap", "segments")
        return Compared(
            self.task,
            tuple(self.ids[i] for i in at),
            tuple(self.groups[i] for i in at),
            **{name: getattr(self, name)[at] for name in arrays},
        )


def no_rows(task: str) -> Compared:
    """A task of which nothing was seen: nothing is proved of it."""
    return Compared(
        task,
        (),
        (),
        **dict.fromkeys(_NUMBERS, np.empty(0)),
        cheap=np.empty(0, dtype=np.bool_),
        segments=np.empty(0, dtype=np.int64),
    )


def as_evidence(tasks: Sequence[Compared]) -> dict[str, Any]:
    """JSON values: the rows of a gate, to be kept with the candidate; they speak against it in the canary too."""
    return {"kind": "gate rows", "tasks": [{name: _plain(getattr(t, name)) for name in _FIELDS} for t in tasks]}


def from_evidence(evidence: Mapping[str, Any]) -> tuple[Compared, ...]:
    """The inverse of `as_evidence`."""
    return tuple(
        Compared(
            task["task"],
            tuple(task["ids"]),
            tuple(task["groups"]),
            **{name: np.array(task[name], dtype=np.float64) for name in _NUMBERS},
            cheap=np.array(task["cheap"], dtype=np.bool_),
            segments=np.array(task["segments"], dtype=np.int64),
        )
        for task in evidence["tasks"]
    )


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def first_of_each_group(groups: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the first row of every group, in order: the rows of a stream that count.

    Rows of one conversation share their luck, and a stream that never ends has no sums to wait for. Where few queries
    are audited, long conversations are the likelier to have one, so that rows still count about by their number.
    """
    seen: set[str] = set()
    at = []
    for i, group in enumerate(groups):
        if group not in seen:
            seen.add(group)
            at.append(i)
    return np.array(at, dtype=np.int64)
