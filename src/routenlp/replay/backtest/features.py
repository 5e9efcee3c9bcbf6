"""From a table of outcomes to the rows that every system is fitted and run on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.backtest.rows import Rows
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.training.text_features import TextCounts, count_texts, fit_text_features
from routenlp.types import Vectors


def count_table(table: OutcomeTable) -> TextCounts | None:
    """What the texts say one by one, for `fit_features` of every split; None where the recording has no text."""
    return None if table.texts is None else count_texts(table.texts)


def fit_features(table: OutcomeTable, train: NDArray[np.int64], counts: TextCounts | None, *, seed: int) -> Vectors:
    """Features of every query, shape (n, d), fitted on the queries at `train` only; d is 0 where there is no text."""
    if counts is None:
        return np.zeros((table.n, 0), dtype=np.float32)
    return fit_text_features(counts, train, seed=seed)


def make_rows(table: OutcomeTable, tiers: Sequence[str], features: Vectors) -> Rows:
    """All queries of `table` with these tiers, cheapest first; `take` makes the folds, so that tasks keep position."""
    chosen = table.with_models(tiers)
    names = chosen.task_names
    position = {name: at for at, name in enumerate(names)}
    return Rows(
        tiers=tuple(tiers),
        task_names=names,
        task=np.array([position[task] for task in chosen.tasks], dtype=np.int64),
        features=features,
        quality=chosen.quality,
        cost_usd=chosen.cost_usd,
        confidence=chosen.confidence,
        answer_length=chosen.answer_length,
        groups=np.unique(np.array(chosen.groups), return_inverse=True)[1].astype(np.int64),
        latency_s=None if np.isnan(chosen.latency_s).all() else chosen.latency_s,
    )


def take(rows: Rows, at: NDArray[np.int64]) -> Rows:
    """The queries at these positions."""
    return Rows(
        rows.tiers,
        rows.task_names,
        rows.task[at],
        rows.features[at],
        rows.quality[at],
        rows.cost_usd[at],
        rows.confidence[at],
        rows.answer_length[at],
        rows.groups[at],
        None if rows.latency_s is None else rows.latency_s[at],
    )
