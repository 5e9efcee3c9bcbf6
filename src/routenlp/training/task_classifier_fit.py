"""Fits the task classifier's softmax and centres; what it is allowed to say is decided elsewhere, on other rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.router.task_classifier import TaskClassifier
from routenlp.router.vectors import unit_rows
from routenlp.training.ridge_fit import fold_of_groups
from routenlp.types import FloatArray, Vectors

_STRENGTHS = (1.0, 10.0)
"""Of the fit (sklearn's C), from the smoothest on; vectors are of about unit length."""
FEWEST_ROWS = 20
"""Of a task: with fewer it is left out."""
_FOLDS = 3
_FARTHEST = 0.03
"""Share of a task's training rows that `near_from` leaves out, and that `along_from` does."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedTasks:
    """A classifier that is never sure yet, and what models that had not seen a training row said of it."""

    classifier: TaskClassifier
    held_out: FloatArray
    """Shape (n, T)."""


def fit_task_classifier(
    vectors: Vectors, task: NDArray[np.int64], groups: NDArray[np.int64], tasks: tuple[str, ...], *, seed: int
) -> FittedTasks:
    """`task`: positions in `tasks`, shape (n,). The penalty is that of the least log-loss on held-out groups.

    Raises `TrainingError` for fewer than two tasks, and for one with too few rows or groups.
    """
    counts = np.bincount(task, minlength=len(tasks))
    if len(tasks) < 2:
        raise TrainingError("tasks", f"are {list(tasks)}", "Give tagged texts of two tasks or more.")
    if counts.min() < FEWEST_ROWS:
        name = tasks[int(counts.argmin())]
        raise TrainingError(f"task {name!r}", f"has {counts.min()} rows", f"Give at least {FEWEST_ROWS}.")
    fold = fold_of_groups(groups, _FOLDS, seed)
    best: tuple[float, FloatArray, float] | None = None
    for strength in _STRENGTHS:
        held_out = np.full((len(task), len(tasks)), 1.0 / len(tasks))
        for f in range(_FOLDS):
            away = fold == f
            held_out[away] = _probabilities(vectors, task, ~away, away, len(tasks), strength)
        loss = float(-np.log(np.maximum(held_out[np.arange(len(task)), task], 1e-6)).mean())
        if best is None or loss < best[0]:
            best = (loss, held_out, strength)
    assert best is not None
    weights, bias = _softmax(vectors, task, len(tasks), best[2])
    unsure = TaskClassifier(tasks, weights, bias, *_centres(vectors, task, len(tasks)), None, np.zeros(len(tasks)))
    return FittedTasks(unsure, best[1])


def _probabilities(
    vectors: Vectors,
    task: NDArray[np.int64],
    train: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    tasks: int,
    strength: float,
) -> FloatArray:
    weights, bias = _softmax(vectors[train], task[train], tasks, strength)
    blank = np.zeros((vectors.shape[1], tasks), dtype=np.float32)
    model = TaskClassifier(("",) * tasks, weights, bias, blank, np.zeros(tasks), np.zeros(tasks), None, np.zeros(tasks))
    return model.probabilities(vectors[rows])


def _softmax(vectors: Vectors, task: NDArray[np.int64], tasks: int, strength: float) -> tuple[Vectors, FloatArray]:
    """Weights (d, T) and bias (T,). A task without rows here keeps a bias under which it is never likely."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=300, tol=1e-4).fit(vectors, task)
    weights = np.zeros((vectors.shape[1], tasks), dtype=np.float32)
    bias = np.full(tasks, -30.0)
    if len(model.classes_) == 2:  # sklearn gives the second one's logit alone
        weights[:, model.classes_[1]] = model.coef_[0]
        bias[model.classes_] = [0.0, float(model.intercept_[0])]
    else:
        weights[:, model.classes_] = model.coef_.T
        bias[model.classes_] = model.intercept_
    return weights, bias


def _centres(vectors: Vectors, task: NDArray[np.int64], tasks: int) -> tuple[Vectors, FloatArray, FloatArray]:
    units = unit_rows(vectors)
    centres = unit_rows(np.stack([units[task == t].mean(axis=0) for t in range(tasks)]).astype(np.float32)).T
    cosine, along = (np.einsum("nd,dn->n", rows, centres[:, task]) for rows in (units, vectors))
    least = [np.array([np.quantile(own[task == t], _FARTHEST) for t in range(tasks)]) for own in (cosine, along)]
    return np.ascontiguousarray(centres), least[0], least[1]


def allowed(classifier: TaskClassifier, sure_from: float | None, plausible_from: FloatArray) -> TaskClassifier:
    """The same model with other lines."""
    return replace(classifier, sure_from=sure_from, plausible_from=plausible_from)
