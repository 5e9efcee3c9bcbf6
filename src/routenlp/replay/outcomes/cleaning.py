"""From all rows to those that can be compared: each drop has its reason and its count."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import DataError, SettingsError
from routenlp.portfolio.prices import Price
from routenlp.replay.outcomes.prices import GivenCost
from routenlp.replay.outcomes.table import CostKind, Dropped, Incomplete
from routenlp.types import FloatArray

EXAMPLES = 3
KINDS: tuple[CostKind, ...] = ("recorded", "given", "estimated")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are still kept, and what is not."""

    name: str
    """Of the recording, for messages."""
    queries: Sequence[tuple[str, str]]
    """(task, id), by position."""
    models: Sequence[str]
    """By position."""
    query: NDArray[np.int64]
    """Of each row."""
    model: NDArray[np.int64]
    """Of each row."""
    numbers: Mapping[str, FloatArray]
    """Of each row, by kind."""
    dropped: tuple[Dropped, ...] = ()
    incomplete: Incomplete | None = None

    def keep(self, kept: NDArray[np.bool_]) -> Rows:
        """The same with fewer rows."""
        numbers = {kind: values[kept] for kind, values in self.numbers.items()}
        return replace(self, query=self.query[kept], model=self.model[kept], numbers=numbers)

    def without(self, bad: NDArray[np.bool_], why: str) -> Rows:
        """Drop the rows marked."""
        if not bad.any():
            return self
        names = {(self.queries[q][1], self.models[m]) for q, m in zip(self.query[bad], self.model[bad], strict=True)}
        examples = tuple(f"{id_} / {model}" for id_, model in heapq.nsmallest(EXAMPLES, names))
        return self.keep(~bad).noting(Dropped("rows", int(bad.sum()), why, examples))

    def without_queries(self, bad: NDArray[np.bool_], why: str) -> Rows:
        """Drop the queries marked, by position, with all their rows."""
        if not bad.any():
            return self
        examples = heapq.nsmallest(EXAMPLES, (self.queries[int(q)][1] for q in np.flatnonzero(bad)))
        return self.keep(~bad[self.query]).noting(Dropped("queries", int(bad.sum()), why, tuple(examples)))

    def without_models(self, reasons: Mapping[int, str]) -> Rows:
        """Drop models with all their rows: why, by position."""
        count = np.bincount(self.model, minlength=len(self.models))
        drops = (Dropped(f"model {self.models[m]}", int(count[m]), why) for m, why in reasons.items())
        kept = replace(self, dropped=(*self.dropped, *drops))
        return kept.keep(~np.isin(self.model, list(reasons))) if reasons else kept

    def noting(self, dropped: Dropped) -> Rows:
        """The same, with one drop more on the list."""
        return replace(self, dropped=(*self.dropped, dropped))

    def present(self) -> list[int]:
        """Positions of the models that have a row, by name."""
        return sorted((int(m) for m in np.unique(self.model)), key=lambda m: self.models[m])

    def unusable(self, problem: str, remedy: str) -> DataError:
        """The error for a recording of which too little is left; it tells what was dropped."""
        story = "; ".join(f"{d.count:,} {d.what}: {d.why}" for d in self.dropped)
        return DataError(self.name, problem + (f" (dropped: {story})" if story else ""), remedy)


def only_models(rows: Rows, asked: Sequence[str] | None) -> Rows:
    """The models asked for. Raises `SettingsError` for one that is not there."""
    if asked is None:
        return rows
    unknown = [name for name in asked if name not in rows.models]
    if unknown:
        remedy = f"Use names out of {', '.join(sorted(rows.models))}"
        raise SettingsError("tiers", f"{rows.name} has no model {unknown[0]!r}", remedy)
    others = [m for m in rows.present() if rows.models[m] not in asked]
    return rows.without_models(dict.fromkeys(others, "it is not among the tiers asked for"))


def without_ungraded(rows: Rows) -> Rows:
    """Rows without a quality say nothing."""
    return rows.without(np.isnan(rows.numbers["quality"]), "they have no quality")


def without_repeats(rows: Rows) -> Rows:
    """One row for each (query, model): of equal ones one is kept, of differing ones none: which counts nobody knows."""
    pair = rows.query * len(rows.models) + rows.model
    if np.unique(pair).size == pair.size:
        return rows
    values = np.column_stack([pair, *rows.numbers.values()])
    order = np.lexsort(values.T[::-1])
    pair, values = pair[order], values[order]
    same_pair = pair[1:] == pair[:-1]
    same_row = same_pair & ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    differing = np.unique(pair[1:][same_pair & ~same_row])
    repeated, conflicting = np.zeros(pair.size, dtype=np.bool_), np.zeros(pair.size, dtype=np.bool_)
    repeated[order[1:]] = same_row
    conflicting[order] = np.isin(pair, differing)
    again = "they repeat another row of their query and model"
    rows, conflicting = rows.without(repeated & ~conflicting, again), conflicting[~(repeated & ~conflicting)]
    return rows.without(conflicting, "their query and model occur more than once, with different values")


def price(rows: Rows, given: Mapping[str, GivenCost]) -> Rows:
    """`numbers["cost_usd"]` filled: as recorded, else as given, else as estimated; what has none is dropped and named.

    `numbers["cost_kind"]` is each cost's position in `KINDS`.
    """
    cost = rows.numbers["cost_usd"].copy()
    kind = np.zeros(cost.size)
    for position, by_row in ((1, _given_by_row(rows, given)), (2, rows.numbers["cost_est_usd"])):
        fill = np.isnan(cost) & ~np.isnan(by_row)
        cost[fill], kind[fill] = by_row[fill], position
    rows = replace(rows, numbers={**rows.numbers, "cost_usd": cost, "cost_kind": kind})
    known = np.bincount(rows.model[~np.isnan(cost)], minlength=len(rows.models))
    unknown = {m: rows.models[m] for m in rows.present() if not known[m]}
    remedy = "it has no cost: give one with --cost {}=USD or --prices"
    rows = rows.without_models({m: remedy.format(name) for m, name in unknown.items()})
    why = "they have no cost, though other rows of their model have: give one with --cost or --prices"
    return rows.without(np.isnan(rows.numbers["cost_usd"]), why)


def cost_kind(rows: Rows) -> CostKind:
    """The least certain kind among the costs."""
    return KINDS[int(rows.numbers["cost_kind"].max(initial=0.0))]


def _given_by_row(rows: Rows, given: Mapping[str, GivenCost]) -> FloatArray:
    """USD as the caller said; NaN where nothing was said, or where tokens to apply it to are not recorded."""
    by_caller = np.full(rows.query.size, np.nan)
    for position in rows.present():
        asked, of_model = given.get(rows.models[position]), rows.model == position
        if isinstance(asked, Price):
            tokens_in, tokens_out = rows.numbers["input_tokens"][of_model], rows.numbers["output_tokens"][of_model]
            usd = tokens_in * asked.input_usd_per_mtok + tokens_out * asked.output_usd_per_mtok
            by_caller[of_model] = usd / 1e6
        elif asked is not None:
            by_caller[of_model] = asked
    return by_caller
