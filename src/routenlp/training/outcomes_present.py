"""Which tiers' outcomes are there: fits share their work among the tiers that lack the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Estimator
from routenlp.errors import TrainingError
from routenlp.types import FloatArray

Model = TypeVar("Model", bound=Estimator, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted(Generic[Model]):
    """Estimates, and the same of the training rows by models that had not seen the row's group."""

    model: Model
    held_out: FloatArray
    """Shape (n, K), finite also where an outcome is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Present:
    """Tiers that have outcomes of the same rows."""

    tiers: NDArray[np.int64]
    rows: NDArray[np.bool_]
    """Shape (n,)."""


def presents(targets: FloatArray) -> list[Present]:
    """All tiers of `targets`, shape (n, K), by which of their outcomes are not NaN."""
    known = ~np.isnan(targets)
    patterns, which = np.unique(known.T, axis=0, return_inverse=True)
    return [Present(np.flatnonzero(which.ravel() == i), rows) for i, rows in enumerate(patterns)]


def check_enough(present: Present, fewest: int) -> None:
    """Raise `TrainingError` where these tiers have fewer outcomes than can be fitted."""
    count = int(present.rows.sum())
    if count < fewest:
        names = ", ".join(str(k + 1) for k in present.tiers)
        raise TrainingError(
            f"tier {names}", f"has {count} outcomes", f"Record {fewest} at least, or leave the tier out"
        )


def task_means(task: NDArray[np.int64], targets: FloatArray, tasks: int, *, strength: float = 5.0) -> FloatArray:
    """Mean of what is there by task, shape (tasks, K), drawn to the tier's mean as by `strength` rows of it."""
    known = ~np.isnan(targets)
    filled = np.where(known, targets, 0.0)
    overall = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    total = np.stack([np.bincount(task, weights=column, minlength=tasks) for column in filled.T], axis=1)
    count = np.stack([np.bincount(task, weights=column, minlength=tasks) for column in known.T], axis=1)
    return np.asarray((total + strength * overall) / (count + strength))
