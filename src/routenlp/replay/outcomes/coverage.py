"""Every kept model answered every kept query: which models and which queries go so that this holds."""

from __future__ import annotations

import numpy as np

from routenlp.replay.outcomes.cleaning import Rows

KEEP_SHARE = 0.5
"""Of the queries of the best covered model: models that would leave fewer are dropped instead."""


def complete(rows: Rows, *, keep_models: bool) -> Rows:
    """Rows that form a full matrix of queries and models. Each (query, model) has one row at the most.

    Queries that only one model answered go first: nothing can be compared on them. Then models are taken in order of
    how many queries they answered, by name where that is equal, and one that would leave under half of the first
    one's queries complete is dropped and named (unless `keep_models`). At last the queries that lack a kept model go.
    Raises `DataError` where fewer than two models, or no query, are left.
    """
    _check_two_models(rows)
    rows = rows.without_queries(_answers(rows) == 1, "only one model answered them, so nothing can be compared")
    answered = np.zeros((len(rows.queries), len(rows.models)), dtype=np.bool_)
    answered[rows.query, rows.model] = True
    by_coverage = sorted(rows.present(), key=lambda m: -int(answered[:, m].sum()))
    full = answered.any(axis=1)
    enough = 0.0
    reasons: dict[int, str] = {}
    for rank, model in enumerate(by_coverage):
        with_it = full & answered[:, model]
        if rank == 0:
            enough = 0.0 if keep_models else KEEP_SHARE * with_it.sum()
        if with_it.sum() < enough:
            why = f"with it only {with_it.sum():,} of {full.sum():,} queries would have an answer of every model"
            reasons[model] = why
        else:
            full = with_it
    rows = rows.without_models(reasons)
    rows = rows.without_queries((_answers(rows) > 0) & ~full, "a kept model has no answer to them")
    _check_two_models(rows)
    return rows


def _answers(rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(rows.query, minlength=len(rows.queries))


def _check_two_models(rows: Rows) -> None:
    names = [rows.models[m] for m in rows.present()]
    if len(names) < 2:
        left = f"only the model {names[0]!r} is left" if names else "no query is left that two models answered"
        raise rows.unusable(left, "Routing needs at least two models that answered the same queries")
