"""Every kept model answered every kept query: which models and which queries go so that this holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.outcomes.cleaning import Rows
from routenlp.replay.outcomes.selection import incompleteness

KEEP_SHARE = 0.5
"""Of the queries of the best covered model: models that would leave fewer are dropped instead."""

NAMED = 3
"""Models that a message lists at most."""


def complete(rows: Rows, *, keep_models: bool) -> Rows:
    """Rows that form a full matrix of queries and models. Each (query, model) has one row at the most.

    Queries that only one model answered go first: nothing can be compared on them. Then models are taken in order of
    how many queries they answered, the better one first where that is equal, and one that would leave under half of
    the first one's queries complete is dropped and named (unless `keep_models`). At last the queries that lack a kept
    model go.
    Raises `DataError` where fewer than two models, or no query, are left.
    """
    _check_two_models(rows)
    recorded = rows
    alone = _answers(rows) == 1
    rows = rows.without_queries(alone, "only one model answered them, so nothing can be compared")
    answered = np.zeros((len(rows.queries), len(rows.models)), dtype=np.bool_)
    answered[rows.query, rows.model] = True
    rows = rows.without_models({} if keep_models else _sparse(rows, answered))
    lacking = ~alone & ~answered[:, rows.present()].all(axis=1)
    rows = rows.without_queries(
        lacking, f"a kept model has no usable answer to them ({_who_lacks(rows, answered[lacking])})"
    )
    _check_two_models(rows)
    return replace(rows, incomplete=incompleteness(recorded, rows))


def _sparse(rows: Rows, answered: NDArray[np.bool_]) -> dict[int, str]:
    """Why each model goes that would leave too few queries, by position."""
    mean = np.bincount(rows.model, rows.numbers["quality"]) / np.maximum(np.bincount(rows.model), 1)
    count = answered.sum(axis=0)
    by_coverage = sorted(rows.present(), key=lambda m: (-count[m], -round(float(mean[m]), 9)))
    best = int(count.max(initial=0))
    full = answered.any(axis=1)
    reasons: dict[int, str] = {}
    for model in by_coverage:
        left = int((full & answered[:, model]).sum())
        if left < KEEP_SHARE * best:
            reasons[model] = f"with it {left:,} queries would have an answer of every model, under half of {best:,}"
        else:
            full &= answered[:, model]
    return reasons


def _who_lacks(rows: Rows, answered: NDArray[np.bool_]) -> str:
    absent = {rows.models[m]: int((~answered[:, m]).sum()) for m in rows.present()}
    most = sorted((name for name in absent if absent[name]), key=lambda name: -absent[name])[:NAMED]
    return ", ".join(f"{name} to {absent[name]:,}" for name in most)


def _answers(rows: Rows) -> NDArray[np.int64]:
    """Of each query, by position."""
    return np.asarray(np.bincount(rows.query, minlength=len(rows.queries)), dtype=np.int64)


def _check_two_models(rows: Rows) -> None:
    names = [rows.models[m] for m in rows.present()]
    if len(names) < 2:
        left = f"only the model {names[0]!r} is left" if names else "no query is left"
        raise rows.unusable(left, "Routing needs at least two models that answered the same queries")
