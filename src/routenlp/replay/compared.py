"""Preferences beside a table of outcomes: on which of its queries they are, and which of them training may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError
from routenlp.grading.preferences import Contradictions, Preference, count_contradictions, index_preferences
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.outcomes.gather import DEFAULT_TASK
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.training.continuation import PreferredRows
from routenlp.training.preferences import Compared, ComparedQuery
from routenlp.types import Vectors


@dataclass(frozen=True, slots=True)
class Placed:
    """Preferences by the query that they are on: one of the table, or another one."""

    preferences: tuple[Preference, ...]
    at: tuple[int, ...]
    """Of each: the query's position in the table; from its end on, a position among `texts`."""
    texts: tuple[str, ...]
    """Of the other queries."""
    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    notes: tuple[str, ...]
    """What was left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Used:
    """What training is given, and what is to be said of it."""

    rows: PreferredRows
    contradictions: Contradictions
    notes: tuple[str, ...]


def place(compared: Compared, table: OutcomeTable) -> Placed:
    """Raises `DataError` for a preference on a query that is neither in the table nor has a text of its own, and for
    an id that several tasks have.
    """
    known, tasks = _known(table), set(table.tasks)
    others: dict[tuple[str, str], tuple[int, ComparedQuery]] = {}
    kept: list[tuple[Preference, int]] = []
    strange = 0
    for number, (preference, query) in enumerate(zip(compared.preferences, compared.queries, strict=True), start=1):
        at = _in_table(known, preference, query, f"preference {number}")
        task = query.task or (table.task_names[0] if len(tasks) == 1 else DEFAULT_TASK)
        if at is None and task not in tasks:
            strange += 1
            continue
        if at is None:
            key = task, preference.query_id
            at = table.n + others.setdefault(key, (len(others), query))[0]
        kept.append((preference, at))
    note = f"{strange:,} preferences are on tasks without outcomes, and are left out."
    return Placed(
        tuple(preference for preference, _ in kept),
        tuple(at for _, at in kept),
        tuple(query.text or "" for _, query in others.values()),
        tuple(task for task, _ in others),
        tuple(query.group or f"preference {query_id}" for (_, query_id), (_, query) in others.items()),
        (note,) * bool(strange),
    )


_Known = Mapping[str, Mapping[str, int]]
"""Positions in the table by id, then task."""


def _known(table: OutcomeTable) -> _Known:
    known: dict[str, dict[str, int]] = {}
    for at, (task, query_id) in enumerate(zip(table.tasks, table.ids, strict=True)):
        known.setdefault(query_id, {})[task] = at
    return known


def _in_table(known: _Known, preference: Preference, query: ComparedQuery, where: str) -> int | None:
    """The query's position; None where the table does not hold it, and its text is given."""
    by_task = known.get(preference.query_id, {})
    if query.task is None and len(by_task) > 1:
        raise DataError(where, f"query {preference.query_id!r} is in several tasks", "Say which in `task`")
    at = next(iter(by_task.values()), None) if query.task is None else by_task.get(query.task)
    if at is None and query.text is None:
        problem = f"query {preference.query_id!r} has no outcome and no text"
        raise DataError(where, problem, "Give its text in `query`, or drop the preference")
    return at


def use(
    placed: Placed, table: OutcomeTable, train: NDArray[np.int64], fold: Rows, features: Vectors, weight: float
) -> Used:
    """Of `placed` what is on tiers and on queries that nothing but training looks at. Raises `DataError` for none.

    `train`: the training fold's positions in `table`; `fold`: its rows; `features`: of the other queries.
    """
    tiers = set(fold.tiers)
    inside = {int(at): row for row, at in enumerate(train)}
    elsewhere = {table.groups[at] for at in set(range(table.n)) - set(inside)}
    usable: list[Preference] = []
    off, held_out = 0, 0
    for preference, at in zip(placed.preferences, placed.at, strict=True):
        if not {preference.tier_a, preference.tier_b} <= tiers:
            off += 1
        elif (at < table.n and at not in inside) or (at >= table.n and placed.groups[at - table.n] in elsewhere):
            held_out += 1
        else:
            row = inside[at] if at < table.n else fold.n + at - table.n
            usable.append(replace(preference, query_id=str(row)))
    if not usable:
        raise DataError(
            "preferences", "none is on two tiers and a query for training", "Record more, or leave them out"
        )
    pairs = index_preferences(usable, [str(i) for i in range(fold.n + len(placed.texts))], fold.tiers)
    position = {name: i for i, name in enumerate(fold.task_names)}
    rows = PreferredRows(
        pairs,
        features,
        np.array([position[task] for task in placed.tasks], dtype=np.int64),
        _numbered(placed.groups, table, train, fold),
        weight,
    )
    notes = (
        *placed.notes,
        *_counted(off, "are on models that are no tiers"),
        *_counted(held_out, "are on queries kept for calibration and tests"),
    )
    return Used(rows, count_contradictions(pairs, len(fold.tiers)), notes)


def _counted(count: int, why: str) -> tuple[str, ...]:
    return (f"{count:,} preferences {why}, and are left out.",) * bool(count)


def _numbered(groups: Sequence[str], table: OutcomeTable, train: NDArray[np.int64], fold: Rows) -> NDArray[np.int64]:
    """Numbers of groups that agree with those of the fold where a group has outcomes, too."""
    known = {table.groups[at]: int(number) for at, number in zip(train, fold.groups, strict=True)}
    fresh = int(fold.groups.max(initial=-1)) + 1
    for group in groups:
        if group not in known:
            known[group] = fresh
            fresh += 1
    return np.array([known[group] for group in groups], dtype=np.int64)
