"""What every baseline knows of a query before any answer: its features and its task, as one row of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.replay.backtest.rows import Rows
from routenlp.types import FloatArray, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Features centred and scaled by one number (their directions keep their weight), then the task one-hot, then 1."""

    centre: Vectors
    scale: float
    tasks: int

    def matrix(self, rows: Rows) -> Vectors:
        """float32 (n, d + tasks + 1)."""
        centred = (rows.features - self.centre) / np.float32(self.scale)
        task = np.arange(self.tasks) == rows.task[:, None]
        return np.concatenate([centred, task, np.ones((rows.n, 1))], axis=1).astype(np.float32)


def fit_inputs(train: Rows) -> Inputs:
    """The mean centred row has length 1, as a task's one-hot has: one penalty then suits both."""
    centre = train.features.mean(axis=0)
    square = np.square(train.features - centre).sum(axis=1).mean() if train.features.shape[1] else 0.0
    return Inputs(centre.astype(np.float32), float(np.sqrt(square)) or 1.0, len(train.task_names))


def task_means(train: Rows, values: FloatArray, *, strength: float = 5.0) -> FloatArray:
    """Mean of `values`, shape (n, m), over each task's rows, drawn to the mean of all as by `strength` rows of it."""
    overall = values.mean(axis=0)
    tasks = len(train.task_names)
    sums = np.stack([np.bincount(train.task, weights=column, minlength=tasks) for column in values.T], axis=1)
    count = np.bincount(train.task, minlength=tasks)[:, None]
    return np.asarray((sums + strength * overall) / (count + strength))
